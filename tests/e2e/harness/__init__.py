# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: servers, a client that sends exact bytes, Maildirs, processes."""
