import NIOCore
import P2PCore
import P2PMultiaddr
import P2PPipeline

/// A bound TCP socket.
struct TCPListener: ByteListener {
    /// Accepted channels that wait for a task; the next is closed at once.
    static let arrivalBacklog = 1_024
    /// Connections that the system holds before we accept them.
    static let systemBacklog: Int32 = 1_024
    /// How often a wildcard listener looks for interfaces that came or went.
    static let interfacePollInterval = Duration.seconds(10)

    private let channel: any Channel
    private let arrivals: Inbox<any Channel, Never>
    private let requested: Multiaddr
    private let changes: (changes: AddressChanges, continuation: AsyncStream<[Multiaddr]>.Continuation)

    init(channel: any Channel, arrivals: Inbox<any Channel, Never>, requested: Multiaddr) {
        self.channel = channel
        self.arrivals = arrivals
        self.requested = requested
        self.changes = AddressChanges.make()
    }

    var addresses: [Multiaddr] {
        InterfaceAddresses.expanding(self.channel.localAddress) ?? [self.requested]
    }

    var addressChanges: AddressChanges { self.changes.changes }

    func run(_ onArrival: @escaping @Sendable (ByteChannel) async -> Void) async throws {
        defer {
            self.arrivals.finish(.success(()))
            for channel in self.arrivals.drain() { channel.close(promise: nil) }
            self.changes.continuation.finish()
        }
        let requested = self.requested
        await withDiscardingTaskGroup { group in
            group.addTask { await self.watchInterfaces() }
            self.channel.closeFuture.whenComplete { _ in self.arrivals.finish(.success(())) }
            while let channel = await self.arrivals.next() {
                group.addTask {
                    await onArrival(
                        ByteChannel(
                            channel: channel, localAddress: Multiaddr(tcp: channel.localAddress) ?? requested,
                            remoteAddress: Multiaddr(tcp: channel.remoteAddress) ?? requested))
                }
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
