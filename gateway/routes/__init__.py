"""The routes that lead to the services: one search for a name finds route, command and schema.

They only carry a request to the service that owns its schema. What they need besides is told here, in one
place: the scope, whether a patient's token may use them, and which classes of patient information their
answers hold.
"""
