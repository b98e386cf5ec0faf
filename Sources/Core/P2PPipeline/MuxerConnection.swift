package import NIOCore
package import P2PCore
import Synchronization

/// What a muxer's channel handler does when its connection asks. On the event loop.
package protocol MuxerHandler: AnyObject {
    /// Streams have signalled work: write what they have.
    func drain()
    /// A callback that was scheduled for the connection is due.
    func tick()
    /// Our side closes: at once, or when the streams have ended or `grace` is over.
    func close(_ code: ConnectionErrorCode, grace: TimeAmount)
}

/// The limits of a muxer that its connection enforces on its own.
package struct MuxerLimits: Sendable {
    /// Streams that may exist at once, both directions together.
    package var streams: Int
    /// Streams of the peer that may wait for somebody to accept them.
    package var backlog: Int
    /// Stream ids that one side has.
    package var streamIDs: UInt64
    /// Bytes that a reader consumes before its stream is drained for it.
    package var creditThreshold: Int

    package init(streams: Int, backlog: Int, streamIDs: UInt64, creditThreshold: Int) {
        self.streams = streams
        self.backlog = backlog
        self.streamIDs = streamIDs
        self.creditThreshold = creditThreshold
    }
}

/// A multiplexed connection as its users see it, from any thread; the protocol runs in a ``MuxerHandler`` on the event loop.
///
/// What both sides share is one short lock: the streams that have work, and whether streams may open.
package final class MuxerConnection: MuxedConnection, MuxedStreamDriver {
    private struct State {
        /// Streams that have signalled work which the loop has not seen.
        var work: [MuxedStream] = []
        /// Streams of ours that the loop has not seen.
        var fresh: [MuxedStream] = []
        /// Somebody will come for ``work``: a task of the loop, or the handler at the end of what it is doing.
        var isAwaited = false
        var streams = 0
        /// Stream ids that we have not promised to anybody.
        var idsLeft: UInt64
        /// Why no stream opens any more.
        var refusal: ConnectionError?
        var isOver = false
    }

    package let info: ConnectionInfo
    package let inboundStreams: InboundStreams
    package let channel: any Channel
    package let jobs: EventLoopTaskExecutor
    package let backlog: InboundBacklog
    private let limits: MuxerLimits
    private let state: Mutex<State>
    private let bytesIn = Atomic<UInt64>(0)
    private let bytesOut = Atomic<UInt64>(0)

    /// The other half, while the channel lives. Confined to the event loop.
    package nonisolated(unsafe) var handler: (any MuxerHandler)?

    package init(channel: any Channel, info: ConnectionInfo, executor: EventLoopTaskExecutor, limits: MuxerLimits) {
        self.channel = channel
        self.info = info
        self.jobs = executor
        self.limits = limits
        self.state = Mutex(State(idsLeft: limits.streamIDs))
        self.backlog = InboundBacklog(limit: limits.backlog)
        self.inboundStreams = InboundStreams(self.backlog)
    }

    package var executor: (any TaskExecutor)? { self.jobs }

    package var traffic: ConnectionTraffic {
        ConnectionTraffic(
            bytesIn: self.bytesIn.load(ordering: .relaxed), bytesOut: self.bytesOut.load(ordering: .relaxed),
            streams: self.state.withLock { $0.streams })
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
            let stream = MuxedStream(driver: self, creditThreshold: self.limits.creditThreshold)
            state.fresh.append(stream)
            return .success(stream)
        }
        return PeerStream(try stream.get())
    }

    package func close(_ code: ConnectionErrorCode, grace: Duration) async {
        self.channel.eventLoop.execute { self.handler?.close(code, grace: TimeAmount(grace)) }
        _ = await withCheckedContinuation { continuation in
            self.channel.closeFuture.whenComplete { _ in continuation.resume() }
        }
    }

    package func streamHasWork(_ stream: MuxedStream) {
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
    package func expectWork() {
        self.state.withLock { $0.isAwaited = true }
    }

    /// Exchanges the lists of streams with news for empty ones.
    package func takeWork(_ work: inout [MuxedStream], fresh: inout [MuxedStream]) {
        self.state.withLock { state in
            state.isAwaited = false
            swap(&state.work, &work)
            swap(&state.fresh, &fresh)
        }
    }

    /// Hands a stream of the peer to whoever accepts them; false when there is no room.
    package func accept(_ stream: MuxedStream) -> Bool {
        self.state.withLock { $0.streams += 1 }
        return self.backlog.offer(PeerStream(stream))
    }

    package func streamEnded() {
        self.state.withLock { $0.streams -= 1 }
    }

    package func received(_ count: Int) {
        self.bytesIn.wrappingAdd(UInt64(count), ordering: .relaxed)
    }

    package func sent(_ count: Int) {
        self.bytesOut.wrappingAdd(UInt64(count), ordering: .relaxed)
    }

    /// No stream opens any more.
    package func refuseStreams(_ reason: ConnectionError) {
        self.state.withLock { state in
            if state.refusal == nil { state.refusal = reason }
        }
    }

    /// The connection is over. Returns the streams of ours that the loop has not seen.
    package func end(_ reason: ConnectionError, isOurs: Bool) -> [MuxedStream] {
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

extension MuxerConnection: NIOScheduledCallbackHandler {
    package func handleScheduledCallback(eventLoop: some EventLoop) {
        self.handler?.tick()
    }
}
