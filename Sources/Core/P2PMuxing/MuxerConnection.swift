package import NIOCore
package import P2PCore
import Synchronization

/// A multiplexed connection as its users see it, from any thread; the protocol runs in a ``MuxerHandler`` on the event loop.
///
/// What both sides share is one short lock: the streams that have news, the slots of all streams, and whether streams may open.
package final class MuxerConnection: ProbedConnection, AccountedConnection, MuxedStreamOwner {
    private struct State {
        /// What the loop has not seen.
        var news = MuxerNews()
        /// Somebody will come for ``news``: a task of the loop, or the handler at the end of what it is doing.
        var isAwaited = false
        var streams = 0
        var slots = SlotPool()
        /// Stream ids that we have not promised to anybody.
        var idsLeft: UInt64
        /// Why no stream opens any more.
        var refusal: ConnectionError?
        var isOver = false
        /// It ends because it holds too much.
        var isEvicted = false

        /// Somebody comes for the news from now on; whether that one has to be sent, since nobody is on the way.
        mutating func summon() -> Bool {
            defer { self.isAwaited = true }
            return !self.isAwaited
        }
    }

    package let info: ConnectionInfo
    package let inboundStreams: InboundStreams
    package let eventLoop: any EventLoop
    package let jobs: EventLoopTaskExecutor
    package let backlog: InboundBacklog
    package let account: MemoryAccount
    private let closed: EventLoopFuture<Void>
    private let limits: MuxerLimits
    private let state: Mutex<State>
    private let bytesIn = Atomic<UInt64>(0)
    private let bytesOut = Atomic<UInt64>(0)
    /// In nanoseconds; zero before it is measured.
    private let roundTrip = Atomic<Int64>(0)
    /// One more than there were; zero where nobody counts them.
    private let congestionEvents = Atomic<UInt64>(0)

    /// The other half, while the connection lives. Confined to the event loop.
    package nonisolated(unsafe) var handler: (any MuxerHandler)? {
        didSet {
            // As long as there is one, and not by a weak reference: that would make every retain of the connection a slow one.
            if self.handler != nil { self.account.onExcess { self.evict() } } else { self.account.onExcess(nil) }
        }
    }

    /// - Parameters:
    ///   - closed: succeeds, or fails, when nothing is left of the connection; its loop is the connection's.
    ///   - account: what the connection holds is counted there.
    package init(
        info: ConnectionInfo, closed: EventLoopFuture<Void>, executor: EventLoopTaskExecutor, limits: MuxerLimits, account: MemoryAccount
    ) {
        self.info = info
        self.eventLoop = closed.eventLoop
        self.closed = closed
        self.jobs = executor
        self.account = account
        self.limits = limits
        self.state = Mutex(State(idsLeft: limits.streamIDs))
        self.backlog = InboundBacklog(limit: limits.backlog)
        self.inboundStreams = InboundStreams(self.backlog)
    }

    package var executor: (any TaskExecutor)? { self.jobs }
    package var home: (any EventLoop)? { self.eventLoop }

    package var traffic: ConnectionTraffic {
        let (roundTrip, events) = (self.roundTrip.load(ordering: .relaxed), self.congestionEvents.load(ordering: .relaxed))
        return ConnectionTraffic(
            bytesIn: self.bytesIn.load(ordering: .relaxed), bytesOut: self.bytesOut.load(ordering: .relaxed),
            streams: self.state.withLock { $0.streams }, roundTrip: roundTrip > 0 ? .nanoseconds(roundTrip) : nil,
            congestionEvents: events > 0 ? events - 1 : nil)
    }

    /// Opens a stream without a word to the event loop: the stream gets its id when its first bytes are on their way.
    package func openStream() async throws(ConnectionError) -> PeerStream {
        try self.makeStream()
    }

    package func makeStream() throws(ConnectionError) -> PeerStream {
        let stream = self.state.withLock { state -> Result<MuxedStream, ConnectionError> in
            if let refusal = state.refusal { return .failure(refusal) }
            guard state.streams < self.limits.streams else {
                return .failure(
                    ConnectionError(.resourceLimit, "\(self.info) has its \(self.limits.streams) streams (maximumStreams)"))
            }
            guard state.idsLeft > 0 else {
                return .failure(ConnectionError(.streamIDsExhausted, "every stream id of \(self.info) was used"))
            }
            state.idsLeft -= 1
            state.streams += 1
            let stream = self.stream(at: state.slots.take(), creditThreshold: self.limits.creditThreshold)
            state.news.fresh.append(stream)
            return .success(stream)
        }
        let opened = try stream.get()
        self.account.change(by: HeldMemory.perStream)
        return PeerStream(opened)
    }

    private func stream(at slot: Int, creditThreshold: Int) -> MuxedStream {
        MuxedStream(slot: slot, owner: self, creditThreshold: creditThreshold, creditsToTheEnd: self.limits.creditsToTheEnd)
    }

    package func close(_ code: ConnectionErrorCode, grace: Duration) async {
        self.eventLoop.execute { self.handler?.close(code, grace: TimeAmount(grace)) }
        _ = await withCheckedContinuation { continuation in
            self.closed.whenComplete { _ in continuation.resume() }
        }
    }

    package func evict() {
        self.state.withLock { $0.isEvicted = true }
        self.eventLoop.execute { self.handler?.close(.resourceLimitExceeded, grace: .zero) }
    }

    package func probe() {
        self.eventLoop.execute { self.handler?.probe() }
    }

    package func streamHolds(_ change: Int) {
        self.account.change(by: change)
    }

    package var savesMemory: Bool { self.account.savesMemory }

    package func streamHasWork(_ stream: MuxedStream) {
        let mustSchedule = self.state.withLock { state in
            guard !state.isOver else { return false }
            state.news.work.append(stream)
            return state.summon()
        }
        if mustSchedule { self.jobs.enqueue(self) }
    }

    // MARK: The handler's side, on the event loop

    /// The handler has more to write, and comes back when others have had their turn.
    package func comeBack() {
        if self.state.withLock({ !$0.isOver && $0.summon() }) { self.jobs.enqueue(self) }
    }

    /// News from now on needs no wake-up: the handler is about to come for it.
    package func expectWork() {
        self.state.withLock { $0.isAwaited = true }
    }

    /// Exchanges what streams have told for empty lists.
    package func takeNews(_ news: inout MuxerNews) {
        self.state.withLock { state in
            state.isAwaited = false
            swap(&state.news, &news)
        }
    }

    /// A stream that the peer opens. It counts from now on, whether or not anybody will ``accept(_:)`` it.
    package func makeInbound(creditThreshold: Int) -> MuxedStream {
        let slot = self.state.withLock { state in
            state.streams += 1
            return state.slots.take()
        }
        self.account.change(by: HeldMemory.perStream)
        return self.stream(at: slot, creditThreshold: creditThreshold)
    }

    /// Hands a stream of the peer to whoever accepts them; false when there is no room.
    package func accept(_ stream: MuxedStream) -> Bool {
        let stream = PeerStream(stream)
        return self.account.mayOpenStream && self.backlog.offer(stream)
    }

    /// The handler has forgotten the stream in that slot.
    package func streamEnded(at slot: Int) {
        let counted = self.state.withLock { state in
            guard !state.isOver else { return false }
            state.streams -= 1
            state.slots.giveBack(slot)
            return true
        }
        if counted { self.account.change(by: -HeldMemory.perStream) }
    }

    package func received(_ count: Int) {
        self.bytesIn.wrappingAdd(UInt64(count), ordering: .relaxed)
    }

    package func sent(_ count: Int) {
        self.bytesOut.wrappingAdd(UInt64(count), ordering: .relaxed)
    }

    /// What the path is like, as it was seen last.
    ///
    /// - Parameter congestionEvents: how often losses made this side send more slowly; nil where that is not known.
    package func measured(roundTrip: TimeAmount, congestionEvents: UInt64? = nil) {
        self.roundTrip.store(roundTrip.nanoseconds, ordering: .relaxed)
        if let congestionEvents { self.congestionEvents.store(congestionEvents &+ 1, ordering: .relaxed) }
    }

    /// No stream opens any more.
    package func refuseStreams(_ reason: ConnectionError) {
        self.state.withLock { state in
            if state.refusal == nil { state.refusal = reason }
        }
    }

    private static func eviction(of info: ConnectionInfo) -> ConnectionError {
        ConnectionError(.resourceLimit, "\(info) was closed, for it held too much (memory)")
    }

    /// The connection is over: the streams that the handler knew fail, and so do those that it has not seen.
    package func end(_ reason: ConnectionError, isOurs: Bool, streams: [MuxedStream]) {
        let (unseen, count, isEvicted) = self.state.withLock { state in
            state.refusal = reason
            state.isOver = true
            defer {
                state.streams = 0
                state.news = MuxerNews()
            }
            return (state.news.fresh, state.streams, state.isEvicted)
        }
        let (reason, isOurs) = isEvicted ? (Self.eviction(of: self.info), false) : (reason, isOurs)
        self.account.change(by: -count * HeldMemory.perStream)
        self.backlog.finish(isOurs ? .success(()) : .failure(reason))
        let error = StreamError(.connectionLost, reason.message, cause: reason)
        for stream in streams + unseen {
            // What an evicted connection's streams hold would stay for their readers.
            stream.fail(error, lettingGo: isEvicted)
        }
    }
}

extension MuxerConnection: LoopWork {
    package func runOnLoop() {
        self.handler?.drain()
    }
}

extension MuxerConnection: NIOScheduledCallbackHandler {
    package func handleScheduledCallback(eventLoop: some EventLoop) {
        self.handler?.tick()
    }
}
