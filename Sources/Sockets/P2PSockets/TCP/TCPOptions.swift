/// How a TCP connection is made and kept.
public struct TCPOptions: Sendable {
    /// Sends small pieces at once (TCP_NODELAY).
    public var noDelay = true
    /// After how long without a byte the other side is probed, and how long between probes; at least a second. Nil for never.
    public var keepAliveDelay: Duration?
    /// The kernel's buffer for what is sent (SO_SNDBUF), in bytes; nil leaves it to the system.
    public var sendBufferSize: Int?
    /// The kernel's buffer for what is received (SO_RCVBUF), in bytes; nil leaves it to the system.
    public var receiveBufferSize: Int?
    /// Which addresses of a name are tried.
    public var family = SocketAddressFamily.any
    /// TLS from the first byte; nil for none.
    public var tls: SocketTLS?
    /// How long everything may take until the socket is open: permission, the name, all addresses, TLS.
    public var openTimeout = Duration.seconds(30)
    /// How long `close()` waits for what is queued to be taken; after that, for as long as bytes go on coming, so long between them. Then the
    /// connection is reset.
    public var drainTimeout = Duration.seconds(30)
    /// Who is asked before anything is sent; nobody if nil.
    public var gate: (any SocketGate)?

    /// The defaults, as documented above.
    public init() {}

    func check() throws(SocketError) {
        if let delay = self.keepAliveDelay, delay < .seconds(1) {
            throw SocketError(.invalidArgument, "a keep-alive delay of \(delay) is below one second")
        }
        for size in [self.sendBufferSize, self.receiveBufferSize].compactMap({ $0 }) where !(1...Int(CInt.max)).contains(size) {
            throw SocketError(.invalidArgument, "a buffer of \(size) bytes is none")
        }
        guard self.openTimeout > .zero, self.drainTimeout > .zero else {
            throw SocketError(.invalidArgument, "a timeout has to be more than nothing")
        }
    }
}

/// How connections are accepted.
public struct TCPServerOptions: Sendable {
    /// Of the wildcard address `::` only IPv6 (IPV6_V6ONLY); otherwise IPv4 comes there, too.
    public var ipv6Only = false
    /// How the connections are kept. Their `tls` and `gate` mean nothing: what is accepted was granted when the port was bound.
    public var connections = TCPOptions()
    /// TLS from the first byte, with that certificate; nil for none.
    public var tls: SocketCertificate?
    /// Who is asked before the port is bound; nobody if nil.
    public var gate: (any SocketGate)?

    /// The defaults, as documented above.
    public init() {}
}
