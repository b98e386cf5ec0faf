import NIOCore
import P2PCore
import P2PMultiaddr
import P2PPipeline

/// A name in a ``MemoryNetwork``, given up when the listener has run or goes away.
final class MemoryByteListener: ByteListener {
    /// Arrivals that wait for a task; more are refused.
    static let arrivalBacklog = 256

    let addresses: [Multiaddr]
    private let name: String
    private let network: MemoryNetwork
    private let arrivals = Inbox<ByteChannel, Never>(limit: MemoryByteListener.arrivalBacklog)
    private let changes = AddressChanges.make()

    init?(name: String, address: Multiaddr, network: MemoryNetwork) {
        self.addresses = [address]
        self.name = name
        self.network = network
        guard network.add(self.arrivals, named: name) else { return nil }
    }

    deinit {
        self.stop()
    }

    var addressChanges: AddressChanges { self.changes.changes }

    func run(_ onArrival: @escaping @Sendable (ByteChannel) async -> Void) async throws {
        defer { self.stop() }
        await withDiscardingTaskGroup { group in
            while let arrival = await self.arrivals.next() {
                group.addTask { await onArrival(arrival) }
            }
            group.cancelAll()
        }
    }

    private func stop() {
        self.network.remove(self.arrivals, named: self.name)
        self.arrivals.finish(.success(()))
        for arrival in self.arrivals.takeAll() { arrival.channel.close(promise: nil) }
        self.changes.continuation.finish()
    }
}
