"""The `optimizer` kind: functional update rules, judged by how well a small ranking model trains."""
