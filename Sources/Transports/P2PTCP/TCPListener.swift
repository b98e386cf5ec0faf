import NIOCore
import P2PCore
import P2PMultiaddr
import P2PPipeline

/// A bound TCP socket. One that is dropped without having run is closed.
struct TCPListener: ByteListener {
    /// Accepted channels that wait for a task; the next is closed at once.
    static let arrivalBacklog = 1_024
    /// Connections that the system holds before we accept them.
    static let systemBacklog: Int32 = 1_024
    /// How often a wildcard listener looks for interfaces that came or went.
    static let interfacePollInterval = Duration.seconds(10)

    /// What the system holds for it, until nobody serves it any more.
    private final class Socket: Sendable {
        let channel: any Channel
        let arrivals: Inbox<any Channel, Never>

        init(_ channel: any Channel, arrivals: Inbox<any Channel, Never>) {
            self.channel = channel
            self.arrivals = arrivals
        }

        deinit {
            self.channel.close(promise: nil)
            self.refuseArrivals()
        }

        func refuseArrivals() {
            self.arrivals.finish(.success(()))
            for channel in self.arrivals.takeAll() { channel.close(promise: nil) }
        }
    }

    private let socket: Socket
    private let requested: Multiaddr
    private let changes: (changes: AddressChanges, continuation: AsyncStream<[Multiaddr]>.Continuation)

    init(channel: any Channel, arrivals: Inbox<any Channel, Never>, requested: Multiaddr) {
        self.socket = Socket(channel, arrivals: arrivals)
        self.requested = requested
        self.changes = AddressChanges.make()
    }

    private var channel: any Channel { self.socket.channel }

    var addresses: [Multiaddr] {
        InterfaceAddresses.expanding(self.channel.localAddress) { Multiaddr(tcp: $0) } ?? [self.requested]
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
            self.channel.closeFuture.whenComplete { _ in arrivals.finish(.success(())) }
            while let channel = await arrivals.next() {
                guard let local = Multiaddr(tcp: channel.localAddress), let remote = Multiaddr(tcp: channel.remoteAddress) else {
                    // The peer was gone before the system could say who it was, so there is nobody to decide on.
                    channel.close(promise: nil)
                    continue
                }
                group.addTask { await onArrival(ByteChannel(channel: channel, localAddress: local, remoteAddress: remote)) }
            }
            group.cancelAll()
        }
        // Whoever waited for the end may bind the same address again at once.
        try? await self.channel.close()
        if !Task.isCancelled {
            throw TransportError(.closed, "the socket that listened on \(self.requested) was closed by the system")
        }
    }

    /// Nothing in the system tells without a netlink socket, and a look every few seconds costs nothing.
    private func watchInterfaces() async {
        guard InterfaceAddresses.isWildcard(self.channel.localAddress) else { return }
        var known = self.addresses
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.interfacePollInterval)
            let current = self.addresses
            if current != known {
                known = current
                self.changes.continuation.yield(current)
            }
        }
    }
}
