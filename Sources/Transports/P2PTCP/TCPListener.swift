import NIOCore
import P2PCore
import P2PMultiaddr
import P2PPipeline

/// A bound TCP socket. One that is dropped without having run is closed.
struct TCPListener: ByteListener {
    /// Channels that wait for a task; the next is closed at once. Fewer are under way at a time (``Doorstep/Limits/underWay``).
    static let arrivalBacklog = 1_024
    /// Connections that the system holds before we accept them.
    static let systemBacklog: Int32 = 4_096
    /// How often a wildcard listener looks for interfaces that came or went.
    static let interfacePollInterval = Duration.seconds(10)

    /// What the system holds for it, until nobody serves it any more.
    private final class Socket: Sendable {
        let acceptor: TCPAcceptor
        private let onEnd: @Sendable () -> Void

        init(_ acceptor: TCPAcceptor, onEnd: @escaping @Sendable () -> Void) {
            self.acceptor = acceptor
            self.onEnd = onEnd
        }

        deinit {
            self.onEnd()
            self.acceptor.end()
            self.refuseArrivals()
        }

        func refuseArrivals() {
            self.acceptor.arrivals.finish(.success(()))
            for arrival in self.acceptor.arrivals.takeAll() { arrival.channel.close(promise: nil) }
        }
    }

    private let socket: Socket
    private let requested: Multiaddr
    private let proxies: TrustedProxies
    private let changes: (changes: AddressChanges, continuation: AsyncStream<[Multiaddr]>.Continuation)

    /// - Parameter onEnd: called when nobody serves the socket any more.
    init(
        acceptor: TCPAcceptor, requested: Multiaddr, proxies: TrustedProxies = .none, onEnd: @escaping @Sendable () -> Void = {}
    ) {
        self.socket = Socket(acceptor, onEnd: onEnd)
        self.requested = requested
        self.proxies = proxies
        self.changes = AddressChanges.make()
    }

    var acceptor: TCPAcceptor { self.socket.acceptor }
    private var address: SocketAddress { self.acceptor.address }

    var addresses: [Multiaddr] {
        InterfaceAddresses.expanding(self.address) { Multiaddr(tcp: $0) } ?? [self.requested]
    }

    var addressChanges: AddressChanges { self.changes.changes }

    func run(_ onArrival: @escaping @Sendable (ByteChannel) async -> Void) async throws {
        defer {
            self.socket.refuseArrivals()
            self.changes.continuation.finish()
        }
        let acceptor = self.acceptor
        do throws(IOError) {
            try acceptor.serve()
        } catch {
            await acceptor.close()
            throw TransportError(.closed, "nothing can be accepted on \(self.requested)", cause: error)
        }
        await withDiscardingTaskGroup { group in
            group.addTask { await self.watchInterfaces() }
            while let arrival = await acceptor.arrivals.next() {
                let channel = arrival.channel
                guard let local = Multiaddr(tcp: channel.localAddress), let remote = Multiaddr(tcp: channel.remoteAddress) else {
                    // The peer was gone before the system could say who it was, so there is nobody to decide on.
                    channel.close(promise: nil)
                    acceptor.begun()
                    continue
                }
                let bytes = ByteChannel(channel: channel, localAddress: local, remoteAddress: remote, progress: arrival.progress)
                group.addTask {
                    // Behind what its loop has to do already.
                    channel.eventLoop.execute { acceptor.begun() }
                    if let named = await self.proxies.named(bytes) { await onArrival(named) }
                }
            }
            // First of all nobody else comes in. And whoever waited for the end may bind the same address again at once.
            await acceptor.close()
            self.socket.refuseArrivals()
            group.cancelAll()
        }
        if !Task.isCancelled {
            throw TransportError(.closed, "the socket that listened on \(self.requested) was closed by the system")
        }
    }

    /// Nothing in the system tells without a netlink socket, and a look every few seconds costs nothing.
    private func watchInterfaces() async {
        guard InterfaceAddresses.isWildcard(self.address) else { return }
        var known = self.addresses
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.interfacePollInterval)
            let current = self.addresses
            // Where the system can't list them at the moment, it is not said that they are gone.
            if current != known, !current.contains(where: { $0.ipAddress?.isUnspecified ?? false }) {
                known = current
                self.changes.continuation.yield(current)
            }
        }
    }
}
