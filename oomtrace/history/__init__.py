"""How Linux kernels changed: facts that depend on the version, each with its commit or its first version.

One home for what the live side and the log side both need to know. It imports nothing of ours. A kernel that runs is
asked first (its types, its symbols); what stands here is for what a kernel cannot be asked, and for logs.
"""
