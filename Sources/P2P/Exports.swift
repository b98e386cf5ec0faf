// One import for an application: what it needs to run a node, and to write a protocol of its own.
@_exported public import P2PBootstrap
@_exported public import P2PCore
@_exported public import P2PEcho
@_exported public import P2PHost
@_exported public import P2PIdentify
@_exported public import P2PIdentity
@_exported public import P2PMDNS
@_exported public import P2PMplex
@_exported public import P2PMultiaddr
@_exported public import P2PMultiformats
@_exported public import P2PPerf
@_exported public import P2PPing
@_exported public import P2PPrivateNetwork
@_exported public import P2PQUIC
@_exported public import P2PSwarm
@_exported public import P2PYamux
