import NIOCore
import NIOPosix
import P2PCore
import P2PSwarm
import Synchronization

/// One end of a connection that has no wire: streams are carried from end to end on an event loop, in order.
final class FakeConnection: MuxedConnection, MuxedStreamOwner {
    private struct State {
        /// The other end of each stream. Both connections hold both directions, until the streams end.
        var partners: [ObjectIdentifier: MuxedStream] = [:]
        var unfinished: [ObjectIdentifier: MuxedStream] = [:]
        var refusal: ConnectionError?
        var closeCodes: [ConnectionErrorCode] = []
        var bytesIn: UInt64 = 0
    }

    let info: ConnectionInfo
    let inboundStreams: InboundStreams
    let ended = Signal()
    /// Fires once a close has begun and its grace runs.
    let closing = Signal()
    /// Waits on after the grace, until it is closed without one.
    let ignoresGrace = Mutex(false)
    /// Nothing is carried any more, and neither end is told.
    let isSilent = Mutex(false)
    /// Fires when no stream lives any more after a close has begun.
    private let drained = Signal()
    private let backlog: InboundBacklog
    private let loop: any EventLoop
    private let loopExecutor: EventLoopTaskExecutor
    private let state = Mutex(State())
    private let peerEnd = Mutex<FakeConnection?>(nil)
    private let clock: HostClock

    private init(info: ConnectionInfo, loop: any EventLoop, clock: HostClock) {
        self.info = info
        self.loop = loop
        self.loopExecutor = EventLoopTaskExecutor(loop)
        self.backlog = InboundBacklog()
        self.inboundStreams = InboundStreams(self.backlog)
        self.clock = clock
    }

    static func pair(_ first: ConnectionInfo, _ second: ConnectionInfo, clock: HostClock) -> (FakeConnection, FakeConnection) {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let pair = (
            FakeConnection(info: first, loop: loop, clock: clock), FakeConnection(info: second, loop: loop, clock: clock)
        )
        pair.0.peerEnd.withLock { $0 = pair.1 }
        pair.1.peerEnd.withLock { $0 = pair.0 }
        return pair
    }

    var executor: (any TaskExecutor)? { self.loopExecutor }
    var traffic: ConnectionTraffic { self.state.withLock { ConnectionTraffic(bytesIn: $0.bytesIn, streams: $0.unfinished.count) } }
    /// What ``close(_:grace:)`` was called with.
    var closeCodes: [ConnectionErrorCode] { self.state.withLock { $0.closeCodes } }

    func openStream() async throws(ConnectionError) -> PeerStream {
        if let refusal = self.state.withLock({ $0.refusal }) { throw refusal }
        guard let other = self.peerEnd.withLock({ $0 }) else { throw ConnectionError(.closed, "the connection has ended") }
        let near = MuxedStream(owner: self, creditThreshold: 128 * 1_024)
        let far = MuxedStream(owner: other, creditThreshold: 128 * 1_024)
        self.add(near, partner: far)
        other.add(far, partner: near)
        self.loop.execute {
            if !other.backlog.offer(PeerStream(far)) { far.reset(.resourceLimitExceeded) }
        }
        return PeerStream(near)
    }

    private func add(_ stream: MuxedStream, partner: MuxedStream) {
        self.state.withLock { state in
            state.partners[ObjectIdentifier(stream)] = partner
            state.unfinished[ObjectIdentifier(stream)] = stream
        }
    }

    func streamHasWork(_ stream: MuxedStream) {
        self.loop.execute { self.carry(stream) }
    }

    private func carry(_ stream: MuxedStream) {
        guard !self.isSilent.withLock({ $0 }) else { return }
        guard let partner = self.state.withLock({ $0.partners[ObjectIdentifier(stream)] }) else { return }
        while true {
            var record = ByteBuffer()
            let drained = stream.copy(upTo: 64 * 1_024, to: &record)
            if let code = drained.reset {
                partner.fail(StreamError(.reset, "the peer reset the stream", resetCode: code))
                self.forget(stream)
                self.peerEnd.withLock { $0 }?.forget(partner)
                return
            }
            if record.readableBytes > 0 {
                self.peerEnd.withLock { $0 }?.count(record.readableBytes)
                _ = partner.receive(record)
            }
            if drained.finish {
                stream.finishLeft()
                partner.receiveFinish()
                self.forget(stream)
            }
            if drained.remaining == 0 { return }
        }
    }

    /// This side of the stream has said its last.
    private func forget(_ stream: MuxedStream) {
        let isDrained = self.state.withLock { state in
            state.unfinished[ObjectIdentifier(stream)] = nil
            return state.unfinished.isEmpty && state.refusal != nil
        }
        if isDrained { self.drained.fire() }
    }

    func close(_ code: ConnectionErrorCode, grace: Duration) async {
        let isIdle = self.state.withLock { state in
            state.closeCodes.append(code)
            state.refusal = ConnectionError(.closed, "this side is closing the connection")
            return state.unfinished.isEmpty
        }
        let other = self.peerEnd.withLock { $0 }
        if !self.isSilent.withLock({ $0 }) {
            other?.state.withLock { $0.refusal = ConnectionError(.goingAway, "the peer is closing the connection") }
        }
        self.closing.fire()
        if !isIdle, grace > .zero, self.ignoresGrace.withLock({ $0 }) {
            // Deaf to cancellation as well.
            await Task.detached { await self.drained.wait() }.value
        } else if !isIdle, grace > .zero {
            let deadline = self.clock.now().advanced(by: grace)
            let clock = self.clock
            await self.drained.cancelling { await clock.sleep(deadline) }
        }
        self.end(.success(()), ConnectionError(.closed, "this side closed the connection"))
        guard !self.isSilent.withLock({ $0 }) else { return }
        other?.end(.failure(ConnectionError(.closedByPeer, "the peer closed the connection")), nil)
    }

    private func count(_ bytes: Int) {
        self.state.withLock { $0.bytesIn += UInt64(bytes) }
    }

    /// Loses everything from now on, as a network that somebody has left: neither end is told.
    func goSilent() {
        for end in [self, self.peerEnd.withLock { $0 }] { end?.isSilent.withLock { $0 = true } }
    }

    /// Breaks the connection, as a cable that is cut.
    func cut() {
        let lost = ConnectionError(.lost, "the cable was cut")
        self.peerEnd.withLock { $0 }?.end(.failure(lost), lost)
        self.end(.failure(lost), lost)
    }

    private func end(_ ending: Result<Void, ConnectionError>, _ refusal: ConnectionError?) {
        let streams = self.state.withLock { state in
            state.refusal = refusal ?? ConnectionError(.closedByPeer, "the peer closed the connection")
            defer { state.unfinished = [:] }
            return state.partners.isEmpty ? [] : Array(state.unfinished.values)
        }
        for stream in streams { stream.fail(StreamError(.connectionLost, "the connection ended")) }
        self.drained.fire()
        self.backlog.finish(ending)
        self.peerEnd.withLock { $0 = nil }
        self.ended.fire()
    }
}
