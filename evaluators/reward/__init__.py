"""The kind `reward`: formulas of logged signals that say what a recommendation is worth."""
