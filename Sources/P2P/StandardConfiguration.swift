public import Logging
public import NIOCore
import NIOPosix
public import P2PCore
public import P2PHost
import P2PNoise
public import P2PPipeline
import P2PQUIC
import P2PSwarm
import P2PTCP
import P2PTLS
import P2PWebSocket
import P2PYamux

/// What the stack of a standard host may be told; what stands on the stack are modules. The defaults make a node of the public network.
public struct StandardConfiguration: Sendable {
    /// The host's own settings: limits, times, names. The limits are those of a server on this machine (``ResourceLimits/server``).
    public var host: HostConfiguration
    /// Secure channels, the preferred one first, each once: ``Noise``, ``TLS`` where it is built in, or, alone and for
    /// tests, ``InsecurePlaintext``.
    public var security: [any SecureChannelModule]
    /// Stream muxers, the preferred one first, each once: ``Yamux``, and for old peers ``Mplex``, which has no flow control.
    public var muxers: [any StreamMuxer]
    /// Agree on the muxer within the secure handshake wherever the peer can, which saves a round trip. Off, the muxer is negotiated after
    /// it; nothing else changes.
    public var negotiatesMuxersEarly: Bool
    /// Transports; the first that takes an address gets it. ``WebSockets`` stand on ``TCP``. Where QUIC is not built in, its addresses fail
    /// and say so.
    public var transports: [any HostModule]
    /// A proxy, a private network.
    public var surroundings: Surroundings
    /// What the application attaches to every handshake, at most ``ConnectionInfo/maximumAppMetadata`` bytes; the peer finds it in
    /// ``ConnectionInfo/appMetadata``. A listener's is readable by dialers that have not yet proved who they are, so it must
    /// hold no secret.
    public var appMetadata: [UInt8]
    /// Decides, beside the modules, who may connect.
    public var gater: any ConnectionGater
    /// Remembers peers; nil keeps them in memory.
    public var peerstore: (any Peerstore)?
    /// Bytes that the receive windows of all connections together may grow by.
    public var windowBudget: Int
    /// Where connections live: the process's own event loops, unless somebody says so. Those start when they are first asked for.
    public var group: any EventLoopGroup {
        get { self.chosenGroup ?? MultiThreadedEventLoopGroup.singleton }
        set { self.chosenGroup = newValue }
    }
    private var chosenGroup: (any EventLoopGroup)?
    /// Where the host logs.
    public var logger: Logger

    /// The defaults.
    public init() {
        self.host = HostConfiguration(limits: .server)
        self.security = TLS.isBuiltIn ? [Noise(), TLS()] : [Noise()]
        self.muxers = [Yamux()]
        self.negotiatesMuxersEarly = true
        self.transports = [TCP(), WebSockets(), QUIC()]
        self.surroundings = Surroundings()
        self.appMetadata = []
        self.gater = OpenGater()
        self.peerstore = nil
        self.windowBudget = min(HostConfiguration.defaultWindowBudget, self.host.limits.memory / 2)
        self.logger = Logger(label: "p2p")
    }
}
