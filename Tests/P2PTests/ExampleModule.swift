import NIOCore
import P2P
import Synchronization

/// A subsystem as an application's author would write it: a protocol, a place to look for peers, an address to announce, a task, and its own
/// sequence of events. Nothing outside this file knows it but the line that names it.
final class Lighthouse: HostModule {
    /// What happens to a lighthouse.
    enum Event: Sendable {
        /// Somebody asked what is seen from here.
        case asked(PeerID)
    }

    private struct State {
        var harbours: [PeerID: [Multiaddr]] = [:]
        var address: Multiaddr?
        var connectionsSeen = 0
        var isRunning = false
    }

    /// What is asked of this lighthouse, for as long as it stands.
    let events: AsyncStream<Event>

    private let event: AsyncStream<Event>.Continuation
    private let state = Mutex(State())
    private let changes: AddressChanges
    private let change: AsyncStream<[Multiaddr]>.Continuation

    init() {
        (self.events, self.event) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(16))
        (self.changes, self.change) = AddressChanges.make()
    }

    func join(_ plan: inout HostPlan) async throws {
        plan.handlers.append(Answer(lighthouse: self))
        plan.finders.append(self)
        plan.addresses.append(self)
        plan.services.append(HostService("lighthouse") { host in await self.watch(host) })
    }

    // MARK: What the application does with it

    var connectionsSeen: Int { self.state.withLock { $0.connectionsSeen } }
    var isRunning: Bool { self.state.withLock { $0.isRunning } }

    func learn(_ peer: PeerID, at addresses: [Multiaddr]) {
        self.state.withLock { $0.harbours[peer] = addresses }
    }

    func move(to address: Multiaddr) {
        self.state.withLock { $0.address = address }
        self.change.yield([address])
    }

    /// Asks the lighthouse of a peer whom it knows.
    static func ask(_ connection: PeerConnection) async throws -> String {
        try await connection.openStream(Answer.id).readText(upTo: 1_024)
    }

    // MARK: What it does of its own accord

    private func watch(_ host: any HostAccess) async {
        self.state.withLock { $0.isRunning = true }
        for await event in host.events() {
            if case .connected = event { self.state.withLock { $0.connectionsSeen += 1 } }
        }
        self.state.withLock { $0.isRunning = false }
    }

    /// The protocol.
    private struct Answer: ProtocolHandler {
        static let id: ProtocolID = "/lighthouse/1.0.0"

        let lighthouse: Lighthouse
        let protocolIDs = [Self.id]

        func handle(_ stream: PeerStream, on connection: PeerConnection) async throws {
            self.lighthouse.event.yield(.asked(connection.remotePeer))
            try await stream.write(text: "\(self.lighthouse.state.withLock { $0.harbours.count }) in sight")
        }
    }
}

extension Lighthouse: PeerFinding {
    var name: String { "lighthouse" }

    func find(
        _ peer: PeerID, deadline: NIODeadline, onAddresses: @escaping @Sendable ([Multiaddr]) -> Void
    ) async throws(DialError) {
        guard let addresses = self.state.withLock({ $0.harbours[peer] }) else {
            throw DialError(.noAddresses, "\(peer) is not in sight")
        }
        onAddresses(addresses)
    }
}

extension Lighthouse: AddressContributing {
    var addresses: [Multiaddr] { self.state.withLock { $0.address.map { [$0] } ?? [] } }
    var addressChanges: AddressChanges { self.changes }
}
