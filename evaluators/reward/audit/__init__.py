"""What a reviewer should know of a reward formula."""
