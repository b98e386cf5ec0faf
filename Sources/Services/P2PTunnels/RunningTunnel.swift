import NIOCore
import P2PCore
import P2PIdentity
import Synchronization

/// A tunnel while it is there: what is told of it, and what lives of it.
final class RunningTunnel: Sendable {
    let id: TunnelID
    let kind: TunnelStatus.Kind
    let name: TunnelName?
    let local: TunnelEndpoint?
    let peer: PeerID?
    let isDatagrams: Bool
    let traffic = TunnelTraffic()
    private let since = NIODeadline.now()
    private let cancels = Mutex<(last: UInt64, living: [UInt64: @Sendable () -> Void])>((0, [:]))
    private let isClosed = Atomic<Bool>(false)
    /// Undoes what made it: closes a socket, or serves a name no more.
    private let undo = Mutex<(@Sendable () async -> Void)?>(nil)

    init(
        _ id: TunnelID, _ kind: TunnelStatus.Kind, name: TunnelName? = nil, local: TunnelEndpoint? = nil, peer: PeerID? = nil,
        isDatagrams: Bool = false
    ) {
        self.id = id
        self.kind = kind
        self.name = name
        self.local = local
        self.peer = peer
        self.isDatagrams = isDatagrams
    }

    var status: TunnelStatus {
        TunnelStatus(
            id: self.id, kind: self.kind, name: self.name, local: self.local, peer: self.peer, isDatagrams: self.isDatagrams,
            since: self.since, flows: self.traffic.living.load(ordering: .relaxed),
            totalFlows: self.traffic.flows.load(ordering: .relaxed), refusals: self.traffic.refusals.load(ordering: .relaxed),
            bytesIn: self.traffic.bytesIn.load(ordering: .relaxed), bytesOut: self.traffic.bytesOut.load(ordering: .relaxed),
            lostDatagrams: self.traffic.lostDatagrams.load(ordering: .relaxed))
    }

    func whenClosed(_ undo: @escaping @Sendable () async -> Void) { self.undo.withLock { $0 = undo } }

    /// Runs a flow, which ``close()`` breaks off.
    func whileOpen<Value: Sendable, Failure: Error>(
        cancel: @escaping @Sendable () -> Void, _ body: () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let number = self.cancels.withLock { cancels in
            cancels.last += 1
            cancels.living[cancels.last] = cancel
            return cancels.last
        }
        defer { self.cancels.withLock { _ = $0.living.removeValue(forKey: number) } }
        if self.isClosed.load(ordering: .sequentiallyConsistent) { cancel() }
        return try await body()
    }

    /// Ends it, and every flow of it.
    func close() async {
        guard !self.isClosed.exchange(true, ordering: .sequentiallyConsistent) else { return }
        let undo = self.undo.withLock { $0.take() }
        await undo?()
        for cancel in self.cancels.withLock({ Array($0.living.values) }) { cancel() }
    }
}
