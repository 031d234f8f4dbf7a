"""Starts other programs.

Held at tiers 1 to 3.
"""

import os
import subprocess

try:
    print("ESCAPED", subprocess.run(["/bin/sh", "-c", "id -u"], capture_output=True, text=True).stdout)
except OSError as error:
    print("refused", error)
try:
    os.execv("/bin/sh", ["/bin/sh", "-c", "echo ESCAPED by exec"])
except OSError as error:
    print("refused", error)
