# SPDX-License-Identifier: Apache-2.0
"""What can go wrong and is not a bug; each text is one line for the user."""


class BadInput(Exception):
    """A request, or data, that can't be used."""


class TrainingFailed(Exception):
    """Training began and could not go on."""
