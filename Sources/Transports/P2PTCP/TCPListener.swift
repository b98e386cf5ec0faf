import NIOCore
import P2PCore
import P2PMultiaddr
import P2PPipeline

/// A bound TCP socket. One that is dropped without having run is closed.
struct TCPListener: ByteListener {
    /// Accepted channels that wait for a task; the next is closed at once.
    static let arrivalBacklog = 1_024
    /// Connections that the system holds before we accept them.
    static let systemBacklog: Int32 = 4_096
    /// How often a wildcard listener looks for interfaces that came or went.
    static let interfacePollInterval = Duration.seconds(10)

    /// What the system holds for it, until nobody serves it any more.
    private final class Socket: Sendable {
        let acceptor: TCPAcceptor
        let arrivals: Inbox<any Channel, Never>

        init(_ acceptor: TCPAcceptor, arrivals: Inbox<any Channel, Never>) {
            self.acceptor = acceptor
            self.arrivals = arrivals
        }

        deinit {
            self.acceptor.closeSoon()
            self.refuseArrivals()
        }

        func refuseArrivals() {
            self.arrivals.finish(.success(()))
            for channel in self.arrivals.takeAll() { channel.close(promise: nil) }
        }
    }

    private let socket: Socket
    private let requested: Multiaddr
    private let proxies: TrustedProxies
    private let changes: (changes: AddressChanges, continuation: AsyncStream<[Multiaddr]>.Continuation)

    init(acceptor: TCPAcceptor, arrivals: Inbox<any Channel, Never>, requested: Multiaddr, proxies: TrustedProxies = .none) {
        self.socket = Socket(acceptor, arrivals: arrivals)
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
        await withDiscardingTaskGroup { group in
            group.addTask { await self.watchInterfaces() }
            let arrivals = self.socket.arrivals
            while let channel = await arrivals.next() {
                guard let local = Multiaddr(tcp: channel.localAddress), let remote = Multiaddr(tcp: channel.remoteAddress) else {
                    // The peer was gone before the system could say who it was, so there is nobody to decide on.
                    channel.close(promise: nil)
                    continue
                }
                let bytes = ByteChannel(channel: channel, localAddress: local, remoteAddress: remote, progress: ArrivalProgress())
                group.addTask {
                    if let named = await self.proxies.named(bytes) { await onArrival(named) }
                }
            }
            group.cancelAll()
        }
        // Whoever waited for the end may bind the same address again at once.
        await self.acceptor.close()
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
