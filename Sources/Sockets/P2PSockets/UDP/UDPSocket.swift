import NIOCore

/// A UDP socket: connected to one other side, or bound to a local address, as in the W3C's Direct Sockets.
///
/// It is made at once, `connecting`; ``opened`` says when it can be used. Datagrams keep their bounds, and empty ones come, too. Those that nobody
/// receives wait (``SocketLimits/waitingMessages``), and the oldest make room. A socket that goes away is closed.
public final class UDPSocket: Sendable {
    let core: UDPSocketCore

    private init(_ core: UDPSocketCore) { self.core = core }

    deinit {
        self.core.close()
    }

    /// Begins to open one, and returns at once.
    ///
    /// - Throws: ``SocketError/Code/invalidArgument`` where the options are neither of the two kinds; what goes wrong later, ``opened`` throws.
    public static func open(_ options: UDPOptions) throws(SocketError) -> UDPSocket {
        let core = UDPSocketCore(options)
        core.begin(try options.plan())
        return UDPSocket(core)
    }

    /// One that is connected to a port of a host.
    public static func connect(_ host: String, _ port: Int, options: UDPOptions = UDPOptions()) throws(SocketError) -> UDPSocket {
        var options = options
        (options.remoteAddress, options.remotePort) = (host, port)
        return try Self.open(options)
    }

    /// One that is bound to a local address, and to a port of the system's choice if that is nil.
    public static func bind(_ address: String, _ port: Int? = nil, options: UDPOptions = UDPOptions()) throws(SocketError) -> UDPSocket {
        var options = options
        (options.localAddress, options.localPort) = (address, port)
        return try Self.open(options)
    }

    /// Where it is, once it is open.
    public var opened: SocketEndpoints {
        get async throws(SocketError) { try await self.core.opened.value() }
    }

    /// Returns when it was closed.
    ///
    /// - Throws: why, if it did not end because of ``close()``.
    public var closed: Void {
        get async throws(SocketError) { try await self.core.closed.value() }
    }

    /// How far it is.
    public var readyState: SocketReadyState { self.core.readyState }
    /// The local address; nil before it is open.
    public var localAddress: String? { self.core.endpoints?.localAddress }
    /// The local port; nil before it is open.
    public var localPort: Int? { self.core.endpoints?.localPort }
    /// Datagrams that came and that nobody received in time.
    public var droppedMessages: Int { self.core.droppedMessages }

    /// The next datagram.
    ///
    /// - Throws: ``SocketError/Code/alreadyReading`` while another task receives; `refused`, once each time, when a connected socket heard that nobody
    ///   has the port there, which closes nothing; `closed` after ``close()``.
    public func receive() async throws(SocketError) -> UDPMessage { try await self.core.receive() }

    /// Sends a datagram; returns when the kernel has it.
    ///
    /// A bound socket names where it is to go. Where a gate is asked, that needs `udp-connect`, unless one of the last
    /// ``SocketLimits/rememberedSenders`` senders is answered.
    ///
    /// - Throws: ``SocketError/Code/messageTooLong`` above ``SocketLimits/longestMessage``; `invalidArgument` for an address on a connected socket and
    ///   for none on a bound one.
    public func send(_ message: UDPMessage) async throws(SocketError) { try await self.core.send(message) }

    /// Joins a group, on a bound socket.
    public func join(_ group: String) async throws(SocketError) { try await self.core.join(UDPOptions.group(group)) }

    /// Leaves a group that was joined.
    public func leave(_ group: String) async throws(SocketError) { try await self.core.leave(UDPOptions.group(group)) }

    /// Closes it. What waits is dropped.
    public func close() { self.core.close() }
}
