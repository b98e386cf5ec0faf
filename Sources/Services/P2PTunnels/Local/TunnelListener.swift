import NIOCore
import NIOPosix
import P2PCore
import P2PMultiaddr
import P2PSystem

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A local socket that accepts connections for tunnels.
struct TunnelListener: Sendable {
    let channel: any Channel
    /// Where it listens, with the port that the system chose.
    let endpoint: TunnelEndpoint
    private let gate: AcceptGate

    /// How many connections the system keeps until they are accepted.
    static let backlog: Int32 = 511

    /// Binds, and has each connection prepared.
    ///
    /// - Parameters:
    ///   - limit: connections that live at a time; more wait in the system's queue.
    ///   - accept: gets each one before it is active, on its event loop; adds handlers.
    /// - Throws: ``TunnelError/notBound``.
    static func bind(
        _ endpoint: TunnelEndpoint, limit: Int, group: any EventLoopGroup, accept: @escaping @Sendable (any Channel) throws -> Void
    ) async throws(TunnelError) -> TunnelListener {
        let gate = AcceptGate(limit: limit)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: Self.backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.maxMessagesPerRead, value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(gate) }
            }
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.prepareForTunnel(for: .arrival)
                    try accept(channel)
                }
            }
        do {
            switch endpoint {
            case .unix(let path):
                Self.removeStale(path)
                let descriptor = try OwnersSocket.bind(at: path)
                let channel = try await bootstrap.withBoundSocket(descriptor).get()
                // NIO has it listen with a backlog of its own.
                _ = listen(descriptor, Self.backlog)
                return TunnelListener(channel: channel, endpoint: endpoint, gate: gate)
            case .ip(let host, let port):
                let channel = try await bootstrap.bind(to: try Self.address(host, port)).get()
                return TunnelListener(channel: channel, endpoint: Self.endpoint(of: channel, host, port), gate: gate)
            }
        } catch {
            throw Self.refusal(of: endpoint, error)
        }
    }

    static func refusal(of endpoint: TunnelEndpoint, _ error: any Error) -> TunnelError {
        let why = SystemError(error).map { $0.number == EADDRINUSE ? "something else listens there" : $0.words }
        return TunnelError(.notBound, "\(endpoint) can't be listened on: \(why ?? "\(error)")", cause: error)
    }

    static func endpoint(of channel: any Channel, _ host: String, _ port: UInt16) -> TunnelEndpoint {
        .ip(host: channel.localAddress?.ip.map { "\($0)" } ?? host, port: channel.localAddress?.port.flatMap(UInt16.init(exactly:)) ?? port)
    }

    /// An address to listen on; `localhost` is the IPv4 one.
    static func address(_ host: String, _ port: UInt16) throws -> SocketAddress {
        try SocketAddress(ipAddress: host == "localhost" ? "127.0.0.1" : host, port: Int(port))
    }

    /// Removes a socket's file on which nobody listens any more. Another kind of file stays, and binding fails.
    private static func removeStale(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return }
        guard let address = try? SocketAddress(unixDomainSocketPath: path) else { return }
        #if canImport(Glibc)
            let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        #else
            let descriptor = socket(AF_UNIX, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { return }
        defer { closeDescriptor(descriptor) }
        let result = address.withSockAddr { connect(descriptor, $0, socklen_t($1)) }
        if result != 0, errno == ECONNREFUSED { unlink(path) }
    }

    /// A place for a connection that goes on as another channel, while it still has its own.
    func takePlace() -> AcceptGate.Place { self.gate.takePlace(on: self.channel.eventLoop) }

    /// Accepts no more; a unix socket's file goes.
    func close() async {
        try? await self.channel.close()
        if case .unix(let path) = self.endpoint { unlink(path) }
    }
}

/// `close`, which is also what a listener's method is called.
private func closeDescriptor(_ descriptor: CInt) { _ = close(descriptor) }
