#if QUIC
    import NIOCore
    import P2PCore
    import Synchronization

    /// A QUIC connection as its users see it, from any thread; the protocol runs in ``QUICSession`` on the event loop.
    ///
    /// What both sides share is one short lock: the streams that have work, and whether streams may open.
    final class QUICConnection: MuxedConnection, MuxedStreamDriver {
        private struct State {
            /// Streams that have signalled work which the loop has not seen.
            var work: [MuxedStream] = []
            /// Streams of ours that the loop has not seen.
            var fresh: [MuxedStream] = []
            /// Somebody will come for ``work``: a task of the loop, or the session at the end of what it is doing.
            var isAwaited = false
            var streams = 0
            /// Why no stream opens any more.
            var refusal: ConnectionError?
            var isOver = false
        }

        let info: ConnectionInfo
        let inboundStreams: InboundStreams
        let eventLoop: any EventLoop
        let jobs: EventLoopTaskExecutor
        private let backlog: InboundBacklog
        private let configuration: QUICConfiguration
        private let closed: EventLoopPromise<Void>
        private let state = Mutex(State())
        private let bytesIn = Atomic<UInt64>(0)
        private let bytesOut = Atomic<UInt64>(0)

        /// The other half, while the connection lives. Confined to the event loop.
        nonisolated(unsafe) var session: QUICSession?

        init(info: ConnectionInfo, executor: EventLoopTaskExecutor, eventLoop: any EventLoop, configuration: QUICConfiguration) {
            self.info = info
            self.jobs = executor
            self.eventLoop = eventLoop
            self.configuration = configuration
            self.backlog = InboundBacklog(limit: configuration.maximumInboundStreams)
            self.inboundStreams = InboundStreams(self.backlog)
            self.closed = eventLoop.makePromise()
        }

        var executor: (any TaskExecutor)? { self.jobs }

        var traffic: ConnectionTraffic {
            ConnectionTraffic(
                bytesIn: self.bytesIn.load(ordering: .relaxed), bytesOut: self.bytesOut.load(ordering: .relaxed),
                streams: self.state.withLock { $0.streams })
        }

        /// Opens a stream without a word to the event loop: the stream gets its id when its first bytes are on their way.
        func openStream() async throws(ConnectionError) -> PeerStream {
            let threshold = Int(clamping: self.configuration.initialStreamWindow / 4)
            let stream = self.state.withLock { state -> Result<MuxedStream, ConnectionError> in
                if let refusal = state.refusal { return .failure(refusal) }
                guard state.streams < self.configuration.maximumStreams else {
                    return .failure(
                        ConnectionError(
                            .resourceLimit, "\(self.info) has its \(self.configuration.maximumStreams) streams (maximumStreams)"))
                }
                state.streams += 1
                let stream = MuxedStream(driver: self, creditThreshold: threshold, creditsToTheEnd: true)
                state.fresh.append(stream)
                return .success(stream)
            }
            return PeerStream(try stream.get())
        }

        func close(_ code: ConnectionErrorCode, grace: Duration) async {
            self.eventLoop.execute { self.session?.close(code, grace: TimeAmount(grace)) }
            _ = await withCheckedContinuation { continuation in
                self.closed.futureResult.whenComplete { _ in continuation.resume() }
            }
        }

        func streamHasWork(_ stream: MuxedStream) {
            let mustSchedule = self.state.withLock { state in
                guard !state.isOver else { return false }
                state.work.append(stream)
                defer { state.isAwaited = true }
                return !state.isAwaited
            }
            if mustSchedule { self.eventLoop.execute { self.session?.drain() } }
        }

        // MARK: The session's side, on the event loop

        /// Work that streams signal from now on needs no wake-up: the session is about to come for it.
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

        /// Counts a stream that the peer opened.
        func streamOpened() {
            self.state.withLock { $0.streams += 1 }
        }

        /// Hands a stream of the peer to whoever accepts them; false when there is no room.
        func accept(_ stream: MuxedStream) -> Bool {
            self.backlog.offer(PeerStream(stream))
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
            self.session = nil
            self.backlog.finish(isOurs ? .success(()) : .failure(reason))
            self.closed.succeed()
            return fresh
        }
    }
#endif
