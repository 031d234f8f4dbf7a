"""What all kinds of program share: the Task, the registry, properties, patches."""
