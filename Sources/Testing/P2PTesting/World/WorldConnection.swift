import NIOCore
import P2PCore
import Synchronization

/// One end of a connection between two hosts of a world: whatever it tells the other end takes the time that the link says.
final class WorldConnection: AccountedConnection, MuxedStreamOwner {
    /// What is said from end to end, in order.
    private enum Message {
        case bytes(ByteBuffer, opens: Bool)
        case finish(opens: Bool)
        case reset(StreamErrorCode)
        case credit(Int)
        case goAway
        case close(ConnectionErrorCode)

        /// What takes bandwidth.
        var size: Int { if case .bytes(let bytes, _) = self { bytes.readableBytes } else { 0 } }
    }

    private struct Delivery {
        var arrival: NIODeadline
        let stream: UInt64
        let message: Message
    }

    private struct End {
        let stream: MuxedStream
        /// What this side may still send before the peer's reader consumes some.
        var window = WorldConnection.window
        /// Whether the peer has heard of it.
        var isAnnounced: Bool
        var hasFinished = false
        var hasPeerFinished = false
        /// Whether somebody is about to carry what it has.
        var isQueued = false
    }

    private struct State {
        var streams: [UInt64: End] = [:]
        var lastID: UInt64
        var refusal: ConnectionError?
        var isOver = false
        var traffic = ConnectionTraffic()
        /// What the other end has sent and is to be delivered here.
        var deliveries = CircularBuffer<Delivery>()
        var isScheduled = false
    }

    /// Bytes that may be on their way, or unread, in each direction of a stream.
    static let window = 1_024 * 1_024
    /// The most that is sent at once, in bytes; other streams get their turn in between.
    private static let recordSize = 16 * 1_024

    let info: ConnectionInfo
    let inboundStreams: InboundStreams
    let account: MemoryAccount
    let number: UInt64
    private let network: WorldNetwork
    private let local: Int
    private let remote: Int
    private let backlog = InboundBacklog()
    /// Fires when no stream lives any more after a close has begun.
    private let drained = Signal()
    private let state: Mutex<State>
    private let other = Mutex<WorldConnection?>(nil)

    private init(_ info: ConnectionInfo, number: UInt64, local: Int, remote: Int, network: WorldNetwork) {
        self.info = info
        self.account = network.memory(of: local).account(for: info)
        self.number = number
        self.network = network
        self.local = local
        self.remote = remote
        self.inboundStreams = InboundStreams(self.backlog)
        self.state = Mutex(State(lastID: info.role == .dialer ? 1 : 2))
    }

    static func pair(
        dialer: (info: ConnectionInfo, host: Int), listener: (info: ConnectionInfo, host: Int), network: WorldNetwork
    ) -> (dialer: WorldConnection, listener: WorldConnection) {
        let number = network.makeConnectionNumber()
        let near = WorldConnection(dialer.info, number: number, local: dialer.host, remote: listener.host, network: network)
        let far = WorldConnection(listener.info, number: number, local: listener.host, remote: dialer.host, network: network)
        near.other.withLock { $0 = far }
        far.other.withLock { $0 = near }
        network.add(near)
        network.note(.connected, from: dialer.host, to: listener.host, connection: number)
        return (near, far)
    }

    var pair: WorldNetwork.Pair { WorldNetwork.Pair(self.local, self.remote) }
    var executor: (any TaskExecutor)? { self.network.executor }

    var traffic: ConnectionTraffic {
        self.state.withLock { state in
            var traffic = state.traffic
            traffic.streams = state.streams.count
            return traffic
        }
    }

    // MARK: Streams

    func openStream() async throws(ConnectionError) -> PeerStream {
        let opened = self.state.withLock { state -> Result<MuxedStream, ConnectionError> in
            if let refusal = state.refusal { return .failure(refusal) }
            state.lastID += 2
            let stream = MuxedStream(slot: Int(state.lastID), owner: self, creditThreshold: Self.window / 2)
            state.streams[state.lastID] = End(stream: stream, isAnnounced: false)
            return .success(stream)
        }
        return PeerStream(try opened.get())
    }

    func streamHolds(_ change: Int) {
        self.account.change(by: change)
    }

    func streamHasWork(_ stream: MuxedStream) {
        self.carryLater(UInt64(stream.slot))
    }

    private func carryLater(_ id: UInt64) {
        let isFirst = self.state.withLock { state in
            guard state.streams[id]?.isQueued == false else { return false }
            state.streams[id]?.isQueued = true
            return true
        }
        if isFirst { self.network.executor.execute { self.carry(id) } }
    }

    /// Sends what a stream has, as far as its window goes.
    private func carry(_ id: UInt64) {
        self.state.withLock { $0.streams[id]?.isQueued = false }
        while let end = self.state.withLock({ $0.streams[id] }) {
            var record = ByteBuffer()
            let drained = end.stream.copy(upTo: min(end.window, Self.recordSize), to: &record)
            if let code = drained.reset {
                self.forget(id)
                if end.isAnnounced { self.send(.reset(code), of: id) }
                return
            }
            let copied = drained.copied
            self.state.withLock { state in
                state.streams[id]?.window -= copied
                if copied > 0 || drained.finish { state.streams[id]?.isAnnounced = true }
            }
            if copied > 0 { self.send(.bytes(record, opens: !end.isAnnounced), of: id) }
            if drained.credit > 0 { self.send(.credit(drained.credit), of: id) }
            if drained.finish {
                end.stream.finishLeft()
                self.send(.finish(opens: !end.isAnnounced && copied == 0), of: id)
                self.half(id) { $0.hasFinished = true }
            }
            if copied == 0 || drained.remaining == 0 { return }
        }
    }

    /// One half of a stream has ended.
    private func half(_ id: UInt64, _ change: (inout End) -> Void) {
        let isOver = self.state.withLock { state in
            guard var end = state.streams[id] else { return false }
            change(&end)
            state.streams[id] = end
            return end.hasFinished && end.hasPeerFinished
        }
        if isOver { self.forget(id) }
    }

    private func forget(_ id: UInt64) {
        let isDrained = self.state.withLock { state in
            state.streams[id] = nil
            return state.streams.isEmpty && state.refusal != nil
        }
        if isDrained { self.drained.fire() }
    }

    // MARK: From end to end

    private func send(_ message: Message, of id: UInt64) {
        guard let other = self.other.withLock({ $0 }) else { return }
        let kind: WorldEvent.Kind =
            switch message {
            case .bytes(let bytes, _): .bytes(bytes.readableBytes)
            case .finish: .finished
            case .reset: .reset
            case .credit(let count): .credit(count)
            case .goAway: .goingAway
            case .close: .closed
            }
        self.network.note(kind, from: self.local, to: self.remote, connection: self.number, stream: id)
        self.state.withLock { $0.traffic.bytesOut += UInt64(message.size) }
        let arrival = self.network.send(message.size, from: self.local, to: self.remote)
        other.state.withLock { state in
            // No message overtakes another.
            let last = state.deliveries.last?.arrival ?? arrival
            state.deliveries.append(Delivery(arrival: max(arrival, last), stream: id, message: message))
        }
        other.scheduleDelivery()
    }

    /// Whether something is going to arrive here or at the other end.
    var isCarrying: Bool {
        guard !self.network.isCut(self.local, self.remote) else { return false }
        let other = self.other.withLock { $0 }
        return [self, other].contains { $0?.state.withLock { !$0.isOver && !$0.deliveries.isEmpty } == true }
    }

    private func scheduleDelivery() {
        let arrival = self.state.withLock { state -> NIODeadline? in
            guard !state.isScheduled, let first = state.deliveries.first else { return nil }
            state.isScheduled = true
            return first.arrival
        }
        guard let arrival else { return }
        _ = self.network.clock.schedule(at: arrival) { self.deliverDue() }
    }

    /// Delivers what has arrived by now; behind a cut it waits.
    private func deliverDue() {
        self.state.withLock { $0.isScheduled = false }
        guard !self.network.isCut(self.local, self.remote) else { return }
        let now = self.network.clock.deadline
        while true {
            let delivery = self.state.withLock { state -> Delivery? in
                guard let first = state.deliveries.first, first.arrival <= now else { return nil }
                return state.deliveries.popFirst()
            }
            guard let delivery else { break }
            self.deliver(delivery.message, of: delivery.stream)
        }
        self.scheduleDelivery()
    }

    private func deliver(_ message: Message, of id: UInt64) {
        guard !self.state.withLock({ $0.isOver }) else { return }
        switch message {
        case .bytes(let bytes, let opens):
            if opens { self.takeIn(id) }
            self.state.withLock { $0.traffic.bytesIn += UInt64(bytes.readableBytes) }
            guard let end = self.state.withLock({ $0.streams[id] }) else { return }
            let discarded = end.stream.receive(bytes)
            if discarded > 0 { self.send(.credit(discarded), of: id) }
        case .finish(let opens):
            if opens { self.takeIn(id) }
            self.state.withLock { $0.streams[id] }?.stream.receiveFinish()
            self.half(id) { $0.hasPeerFinished = true }
        case .reset(let code):
            let end = self.state.withLock { $0.streams[id] }
            end?.stream.fail(StreamError(.reset, "the peer reset the stream", resetCode: code))
            self.forget(id)
        case .credit(let count):
            self.state.withLock { $0.streams[id]?.window += count }
            self.carryLater(id)
        case .goAway:
            self.state.withLock { state in
                if state.refusal == nil { state.refusal = ConnectionError(.goingAway, "the peer is closing the connection") }
            }
        case .close(let code):
            self.end(.failure(ConnectionError(.closedByPeer, "the peer closed the connection with code \(code)")))
        }
    }

    /// The peer has opened a stream.
    private func takeIn(_ id: UInt64) {
        let stream = MuxedStream(slot: Int(id), owner: self, creditThreshold: Self.window / 2)
        let isWelcome = self.state.withLock { state in
            state.streams[id] = End(stream: stream, isAnnounced: true)
            return state.refusal == nil
        }
        let handle = PeerStream(stream)
        if !isWelcome || !self.account.mayOpenStream || !self.backlog.offer(handle) { handle.reset(.resourceLimitExceeded) }
    }

    // MARK: Partitions

    /// What could not arrive is sent again, at both ends.
    func resume() {
        for end in [self, self.other.withLock { $0 }] { end?.resumeDeliveries() }
    }

    private func resumeDeliveries() {
        guard self.state.withLock({ $0.deliveries.first }) != nil else { return }
        let again = self.network.clock.deadline.advanced(by: self.network.flight(from: self.remote, to: self.local))
        self.state.withLock { state in
            let now = self.network.clock.deadline
            // What was still on its way arrives in its own time, but behind what was held.
            guard let first = state.deliveries.first, first.arrival <= now else { return }
            for index in state.deliveries.indices where state.deliveries[index].arrival < again { state.deliveries[index].arrival = again }
        }
        self.scheduleDelivery()
    }

    /// Neither end has heard of the other for too long.
    func lose() {
        self.network.note(.lost, from: self.local, to: self.remote, connection: self.number)
        for end in [self, self.other.withLock { $0 }] {
            end?.end(.failure(ConnectionError(.lost, "nothing was heard of the peer for too long")))
        }
    }

    // MARK: Ending

    func close(_ code: ConnectionErrorCode, grace: Duration) async {
        let (isFirst, mustWait) = self.state.withLock { state -> (Bool, Bool) in
            guard !state.isOver else { return (false, false) }
            let isFirst = state.refusal?.code != .closed
            state.refusal = ConnectionError(.closed, "this side is closing the connection")
            return (isFirst, grace > .zero && !state.streams.isEmpty)
        }
        if isFirst { self.send(.goAway, of: 0) }
        if mustWait {
            let clock = self.network.hostClock
            await self.drained.cancelling { await clock.sleep(for: grace) }
        }
        if self.state.withLock({ !$0.isOver }) {
            self.send(.close(code), of: 0)
            self.end(.success(()))
        }
    }

    func evict() {
        self.send(.close(.resourceLimitExceeded), of: 0)
        self.end(.failure(ConnectionError(.resourceLimit, "the connection held too much")))
    }

    private func end(_ ending: Result<Void, ConnectionError>) {
        let streams = self.state.withLock { state -> [MuxedStream]? in
            guard !state.isOver else { return nil }
            state.isOver = true
            if state.refusal == nil || state.refusal?.code == .goingAway {
                if case .failure(let error) = ending { state.refusal = error }
            }
            state.deliveries.removeAll()
            defer { state.streams = [:] }
            return state.streams.sorted { $0.key < $1.key }.map(\.value.stream)
        }
        guard let streams else { return }
        for stream in streams { stream.fail(StreamError(.connectionLost, "the connection ended")) }
        self.backlog.finish(ending)
        self.drained.fire()
        let other = self.other.withLock { $0 }
        if other?.state.withLock({ $0.isOver }) != false {
            self.network.remove(self.number)
            // Each end holds the other while one of them lives.
            self.other.withLock { $0 = nil }
            other?.other.withLock { $0 = nil }
        }
    }
}
