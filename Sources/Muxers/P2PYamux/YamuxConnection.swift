import NIOCore
import P2PCore
import Synchronization

/// A yamux connection as its users see it, from any thread; the protocol runs in ``YamuxHandler`` on the event loop.
///
/// What both sides share is one short lock: the streams that have work, and whether streams may open.
final class YamuxConnection: MuxedConnection, MuxedStreamDriver {
    private struct State {
        /// Streams that have signalled work which the loop has not seen.
        var work: [MuxedStream] = []
        /// Streams of ours that the loop has not seen.
        var fresh: [MuxedStream] = []
        /// Somebody will come for ``work``: a task of the loop, or the handler at the end of what it is doing.
        var isAwaited = false
        var streams = 0
        /// Stream ids that we have not promised to anybody.
        var idsLeft = UInt32(1) << 31
        /// Why no stream opens any more.
        var refusal: ConnectionError?
        var isOver = false
    }

    let info: ConnectionInfo
    let inboundStreams: InboundStreams
    let channel: any Channel
    let jobs: EventLoopTaskExecutor
    let backlog: InboundBacklog
    private let configuration: YamuxConfiguration
    private let state = Mutex(State())
    private let bytesIn = Atomic<UInt64>(0)
    private let bytesOut = Atomic<UInt64>(0)

    /// The other half, while the channel lives. Confined to the event loop.
    nonisolated(unsafe) var handler: YamuxHandler?

    init(channel: any Channel, info: ConnectionInfo, executor: EventLoopTaskExecutor, configuration: YamuxConfiguration) {
        self.channel = channel
        self.info = info
        self.jobs = executor
        self.configuration = configuration
        self.backlog = InboundBacklog(limit: configuration.maximumBacklog)
        self.inboundStreams = InboundStreams(self.backlog)
    }

    var executor: (any TaskExecutor)? { self.jobs }

    var traffic: ConnectionTraffic {
        ConnectionTraffic(
            bytesIn: self.bytesIn.load(ordering: .relaxed), bytesOut: self.bytesOut.load(ordering: .relaxed),
            streams: self.state.withLock { $0.streams })
    }

    /// Opens a stream without a word to the event loop: the stream gets its id when its first bytes are on their way.
    func openStream() async throws(ConnectionError) -> PeerStream {
        try self.makeStream()
    }

    func makeStream() throws(ConnectionError) -> PeerStream {
        let threshold = Int(YamuxConfiguration.initialWindow) / 2
        let stream = self.state.withLock { state -> Result<MuxedStream, ConnectionError> in
            if let refusal = state.refusal { return .failure(refusal) }
            guard state.streams < self.configuration.maximumStreams else {
                return .failure(
                    ConnectionError(.resourceLimit, "\(self.info) has its \(self.configuration.maximumStreams) streams (maximumStreams)"))
            }
            guard state.idsLeft > 0 else {
                return .failure(ConnectionError(.streamIDsExhausted, "every stream id of \(self.info) was used"))
            }
            state.idsLeft -= 1
            state.streams += 1
            let stream = MuxedStream(driver: self, creditThreshold: threshold)
            state.fresh.append(stream)
            return .success(stream)
        }
        return PeerStream(try stream.get())
    }

    func close(_ code: ConnectionErrorCode, grace: Duration) async {
        self.channel.eventLoop.execute { self.handler?.close(code, grace: TimeAmount(grace)) }
        _ = await withCheckedContinuation { continuation in
            self.channel.closeFuture.whenComplete { _ in continuation.resume() }
        }
    }

    func streamHasWork(_ stream: MuxedStream) {
        let mustSchedule = self.state.withLock { state in
            guard !state.isOver else { return false }
            state.work.append(stream)
            defer { state.isAwaited = true }
            return !state.isAwaited
        }
        if mustSchedule { self.channel.eventLoop.execute { self.handler?.drain() } }
    }

    // MARK: The handler's side, on the event loop

    /// Work that streams signal from now on needs no wake-up: the handler is about to come for it.
    func expectWork() {
        self.state.withLock { $0.isAwaited = true }
    }

    /// Exchanges the lists of streams with news for empty ones.
    func takeWork(_ work: inout [MuxedStream], fresh: inout [MuxedStream]) {
        self.state.withLock { state in
            state.isAwaited = false
            swap(&state.work, &work)
            swap(&state.fresh, &fresh)
        }
    }

    /// Hands a stream of the peer to whoever accepts them; false when there is no room.
    func accept(_ stream: MuxedStream) -> Bool {
        self.state.withLock { $0.streams += 1 }
        return self.backlog.offer(PeerStream(stream))
    }

    func streamEnded() {
        self.state.withLock { $0.streams -= 1 }
    }

    func received(_ count: Int) {
        self.bytesIn.wrappingAdd(UInt64(count), ordering: .relaxed)
    }

    func sent(_ count: Int) {
        self.bytesOut.wrappingAdd(UInt64(count), ordering: .relaxed)
    }

    /// No stream opens any more.
    func refuseStreams(_ reason: ConnectionError) {
        self.state.withLock { state in
            if state.refusal == nil { state.refusal = reason }
        }
    }

    /// The connection is over. Returns the streams of ours that the loop has not seen.
    func end(_ reason: ConnectionError, isOurs: Bool) -> [MuxedStream] {
        let fresh = self.state.withLock { state in
            state.refusal = reason
            state.isOver = true
            state.streams = 0
            state.work = []
            defer { state.fresh = [] }
            return state.fresh
        }
        self.backlog.finish(isOurs ? .success(()) : .failure(reason))
        return fresh
    }
}

extension YamuxConnection: NIOScheduledCallbackHandler {
    func handleScheduledCallback(eventLoop: some EventLoop) {
        self.handler?.tick()
    }
}
