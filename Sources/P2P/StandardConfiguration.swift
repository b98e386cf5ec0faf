public import Logging
public import NIOCore
import NIOPosix
public import P2PCore
public import P2PHost
public import P2PMDNS
public import P2PMplex
public import P2PPrivateNetwork
public import P2PProxy
public import P2PQUIC
import P2PResolver
public import P2PWebSocket
public import P2PYamux

/// What the standard host may be told. The defaults make a node of the public network.
public struct StandardConfiguration: Sendable {
    /// The host's own settings: limits, times, names.
    public var host: HostConfiguration
    /// Secure channels, the preferred one first, each once.
    public var security: [SecurityName]
    /// Stream muxers, the preferred one first, each once. Mplex is for old peers alone: it has no flow control.
    public var muxers: [MuxerName]
    /// WebSockets: whose pages may connect, and TLS below them.
    public var webSocket: WebSocketConfiguration
    /// A TCP listener's port serves WebSockets as well, secure ones if there is a certificate, and the application's HTTP.
    public var sharesPorts: Bool
    /// What every dial goes through, names unresolved; nil dials directly. Listening does not change.
    public var proxy: ProxyURL?
    /// What is dialled around the proxy: nothing, unless somebody says so.
    public var proxyBypass: ProxyBypass
    /// Yamux's limits and times.
    public var yamux: YamuxConfiguration
    /// Mplex's limits and times.
    public var mplex: MplexConfiguration
    /// QUIC's limits and times; nil leaves QUIC out. Where QUIC is not built in, its addresses fail and say so.
    public var quic: QUICConfiguration?
    /// Bytes that the receive windows of all connections together may grow by.
    public var windowBudget: Int
    /// Agree on the muxer within the secure handshake wherever the peer can, which saves a round trip. Off, the muxer is negotiated after it;
    /// nothing else changes.
    public var negotiatesMuxersEarly: Bool
    /// Makes the node a member of the private network of this key; it then reaches no other peers, and no others reach it. Nil for the
    /// public network. Needs the package trait `Sodium`.
    public var privateNetworkKey: PreSharedKey?
    /// What the application attaches to every handshake, at most ``P2PCore/ConnectionInfo/maximumAppMetadata`` bytes; the peer finds it in
    /// ``P2PCore/ConnectionInfo/appMetadata``. A listener's is readable by dialers that have not yet proved who they are, so it must
    /// hold no secret.
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
    /// Looks up `/dnsaddr/…`, by default with the system's DNS servers; nil fails such dials. Needs the package trait `CAres`.
    public var resolver: (any AddressResolver)?
    /// Announces the node on the local network and finds others there; nil, the default, keeps it silent.
    public var mdns: MDNSConfiguration?
    /// Further sources of peers.
    public var discovery: [any Discovery]
    /// Where the host logs.
    public var logger: Logger

    /// The defaults.
    public init() {
        self.host = HostConfiguration()
        self.security = [.noise, .tls]
        self.muxers = [.yamux]
        self.webSocket = WebSocketConfiguration()
        self.sharesPorts = false
        self.proxy = nil
        self.proxyBypass = .none
        self.yamux = YamuxConfiguration()
        self.mplex = MplexConfiguration()
        self.quic = QUICConfiguration()
        self.windowBudget = 256 * 1_024 * 1_024
        self.negotiatesMuxersEarly = true
        self.privateNetworkKey = nil
        self.appMetadata = []
        self.servesEcho = true
        self.servesPerf = true
        self.group = MultiThreadedEventLoopGroup.singleton
        self.gater = OpenGater()
        self.peerstore = nil
        self.resolver = DNSAddressResolver()
        self.mdns = nil
        self.discovery = []
        self.logger = Logger(label: "p2p")
    }
}
