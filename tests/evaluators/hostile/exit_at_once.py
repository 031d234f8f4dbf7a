"""Ends the process before anything is written."""

import os

os._exit(0)
