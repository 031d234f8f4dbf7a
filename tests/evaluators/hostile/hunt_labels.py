"""Looks in the package that runs it for logs with labels, and imports what it likes from there.

Held at tiers 1 to 2.
"""

import os

import recevolve
import recevolve.evaluators.sandbox as sandbox

for top in {os.path.dirname(recevolve.__file__), os.path.realpath(os.path.dirname(sandbox.__file__) + "/..")}:
    for folder, _, names in os.walk(top, followlinks=True):
        for name in names:
            if not name.endswith((".py", ".pyc", ".md", ".toml", ".so", ".typed")):
                try:
                    with open(os.path.join(folder, name), "rb") as file:
                        print("ESCAPED" if file.read(10) else "empty", name)
                except OSError as error:
                    print("refused", name, error)
try:
    sandbox.Sandbox()
    print("ESCAPED: started a sandbox of its own")
except OSError as error:
    print("refused", error)
