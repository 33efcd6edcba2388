# SPDX-License-Identifier: GPL-2.0-or-later
"""What the system tests are made of: mail servers, a private gateway, a sink, an account."""
