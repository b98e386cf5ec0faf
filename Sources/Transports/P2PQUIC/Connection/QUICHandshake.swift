#if QUIC
    import NIOCore
    import P2PCore
    import P2PMuxing

    /// A handshake as the task sees it that waits for it.
    struct QUICHandshake {
        let eventLoop: any EventLoop
        /// When it has failed, if it is not over before; the session has deadlines of its own.
        var deadline: NIODeadline?
        /// When it has failed if nothing has come from the peer.
        var answerBy: NIODeadline?
        /// Called on the event loop when something has come.
        var onAnswer: (@Sendable () -> Void)?

        /// Begins on the event loop and waits for the end. Cancelling the task ends the handshake, and tells the peer.
        func run(
            _ begin: @escaping @Sendable (EventLoopPromise<MuxerConnection>) -> QUICSession?
        ) async throws(TransportError) -> MuxerConnection {
            let ready = self.eventLoop.makePromise(of: MuxerConnection.self)
            let session = NIOLoopBoundBox<QUICSession?>.makeEmptyBox(valueType: QUICSession.self, eventLoop: self.eventLoop)
            let (deadline, answerBy, onAnswer) = (self.deadline, self.answerBy, self.onAnswer)
            let result = await withTaskCancellationHandler {
                self.eventLoop.execute {
                    guard let begun = begin(ready) else { return }
                    session.value = begun
                    begun.onAnswer = onAnswer
                    Self.watch(begun, ready, deadline: deadline, answerBy: answerBy)
                }
                return await withCheckedContinuation { continuation in
                    ready.futureResult.whenComplete { continuation.resume(returning: $0) }
                }
            } onCancel: {
                self.eventLoop.execute { session.value?.abandon() }
            }
            do {
                return try result.get()
            } catch let error as TransportError {
                throw error
            } catch {
                throw TransportError(.closed, "the QUIC socket was closed", cause: error)
            }
        }

        private static func watch(
            _ session: QUICSession, _ ready: EventLoopPromise<MuxerConnection>, deadline: NIODeadline?, answerBy: NIODeadline?
        ) {
            let loop = session.endpoint.eventLoop.assumeIsolated()
            let alarms = [
                deadline.map { loop.scheduleTask(deadline: $0) { session.timedOut() } },
                answerBy.map { loop.scheduleTask(deadline: $0) { session.wasNotAnswered() } },
            ]
            ready.futureResult.whenComplete { _ in for alarm in alarms { alarm?.cancel() } }
        }
    }

    extension QUICSession {
        /// Nobody waits for the handshake any more.
        func abandon() {
            if let connection = self.connection, self.phase == .running {
                return self.end(
                    ConnectionError(.closed, "\(connection.info) was given up"), isOurs: true, saying: .application(.normal))
            }
            self.fail(TransportError(.cancelled, "\(self.name) was cancelled"), saying: .transport)
        }

        fileprivate func timedOut() {
            guard self.phase == .handshaking else { return }
            self.fail(TransportError(.timedOut, "\(self.name) was not done by its deadline"), saying: .transport)
        }

        fileprivate func wasNotAnswered() {
            guard self.phase == .handshaking, !self.isAnswered else { return }
            self.fail(
                TransportError(.unreachable, "\(self.remote.multiaddr) did not answer within \(self.endpoint.configuration.answerTimeout)"),
                saying: .transport)
        }
    }
#endif
