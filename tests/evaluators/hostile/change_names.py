"""Changes what a path means, or who may use it, without opening anything.

Held at tiers 1 to 3.
"""

import os

secret, folder = CANARY["secret"], CANARY["folder"]
for name, change in {
    "chmod": lambda: os.chmod(secret, 0o777),
    "chown": lambda: os.chown(secret, os.getuid(), os.getgid()),
    "utime": lambda: os.utime(secret, (0, 0)),
    "rename": lambda: os.rename(secret, secret + "2"),
    "unlink": lambda: os.unlink(secret),
    "link": lambda: os.link(secret, folder + "/pwned"),
    "symlink": lambda: os.symlink(secret, folder + "/pwned"),
    "mkdir": lambda: os.mkdir(folder + "/pwned"),
    "mkfifo": lambda: os.mkfifo(folder + "/pwned"),
    "truncate": lambda: os.truncate(secret, 0),
    "setxattr": lambda: os.setxattr(secret, "user.pwned", b"x"),
}.items():
    try:
        change()
        print("ESCAPED", name)
    except OSError as error:
        print("refused", name, error)
