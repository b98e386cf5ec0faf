public import Logging
public import NIOCore
import NIOPosix
public import P2PCore
public import P2PHost
public import P2PYamux

/// What the standard host may be told. The defaults make a node of the public network.
public struct StandardConfiguration: Sendable {
    /// The host's own settings: limits, times, names.
    public var host: HostConfiguration
    /// Secure channels, the preferred one first.
    public var security: [SecurityName]
    /// Stream muxers, the preferred one first.
    public var muxers: [MuxerName]
    /// Yamux's limits and times.
    public var yamux: YamuxConfiguration
    /// Bytes that the receive windows of all connections together may grow by.
    public var windowBudget: Int
    /// What the application attaches to every handshake, at most 4 KiB. A listener's is readable by dialers that have not
    /// yet proved who they are.
    public var appMetadata: [UInt8]
    /// Serve echo (`/echo/1.0.0`), which sends back whatever a peer sends.
    public var servesEcho: Bool
    /// Serve perf (`/perf/1.0.0`), which sends a peer as many bytes as it asks for.
    public var servesPerf: Bool
    /// Where connections live.
    public var group: any EventLoopGroup
    /// Decides who may connect.
    public var gater: any ConnectionGater
    /// Remembers peers; nil keeps them in memory.
    public var peerstore: (any Peerstore)?
    /// Where the host logs.
    public var logger: Logger

    /// The defaults.
    public init() {
        self.host = HostConfiguration()
        self.security = [.noise, .tls]
        self.muxers = [.yamux]
        self.yamux = YamuxConfiguration()
        self.windowBudget = 256 * 1_024 * 1_024
        self.appMetadata = []
        self.servesEcho = true
        self.servesPerf = true
        self.group = MultiThreadedEventLoopGroup.singleton
        self.gater = OpenGater()
        self.peerstore = nil
        self.logger = Logger(label: "p2p")
    }
}
