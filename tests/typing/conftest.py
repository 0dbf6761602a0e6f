# SPDX-License-Identifier: Apache-2.0
"""These files are for type checkers to read."""

collect_ignore_glob = ["*_uses.py"]
