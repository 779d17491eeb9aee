"""A service in its process: ``host`` is what its methods are run with, ``traffic`` what carries in and out.

``door`` knows whether anybody outside can be heard.
"""
