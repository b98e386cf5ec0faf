import P2PCore
import P2PMultiaddr

/// A bound address of a host of a world.
final class WorldListener: TransportListener {
    /// Arrivals that wait for the listener to run.
    private static let backlog = 1_024

    let addresses: [Multiaddr]
    let addressChanges: AddressChanges
    let transport: WorldTransport
    private let changes: AsyncStream<[Multiaddr]>.Continuation
    private let network: WorldNetwork
    private let arrivals = Inbox<WorldArrival, Never>(limit: WorldListener.backlog)

    init(address: Multiaddr, network: WorldNetwork, transport: WorldTransport) {
        self.addresses = [address]
        self.network = network
        self.transport = transport
        (self.addressChanges, self.changes) = AddressChanges.make()
    }

    /// Takes an arrival; false when there are too many, or nobody listens any more.
    func offer(_ arrival: WorldArrival) -> Bool { self.arrivals.offer(arrival) }

    func run(_ onArrival: @escaping @Sendable (any PendingConnection) async -> Void) async throws {
        await withDiscardingTaskGroup { group in
            while let arrival = await self.arrivals.next() {
                group.addTask {
                    await onArrival(arrival)
                    arrival.refuse()
                }
            }
            self.network.unbind(self, from: self.addresses[0])
            self.arrivals.finish(.success(()))
            for arrival in self.arrivals.takeAll() { arrival.refuse() }
        }
        self.changes.finish()
    }
}
