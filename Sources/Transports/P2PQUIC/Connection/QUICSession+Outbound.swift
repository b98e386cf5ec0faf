#if QUIC
    import CNgtcp2Shim
    import NIOCore
    import P2PCore
    import P2PMuxing

    extension QUICSession {
        /// The largest packet that is ever written: probes of the path's size are larger than the rest.
        static let maximumPacket = 1_500
        /// A connection that need not pace itself writes so many bytes before others have their turn.
        static let maximumBurst = 256 * 1_024
        /// Bursts of a handshake that may fail for a reason that passes; the library sends again what was lost.
        static let toleratedFailures = 2

        /// Writes what streams and the library have, as far as credit, congestion and the socket let it.
        func drain() {
            self.drain(at: .now())
        }

        func drain(at now: NIODeadline) {
            guard self.phase != .over else { return }
            self.collectWork()
            self.noteWork(at: now)
            self.adjustThreshold()
            self.write(at: now)
            self.leaveIfIdle()
            self.rearm(at: now)
        }

        // MARK: Streams with news

        /// Takes over what streams have signalled.
        private func collectWork() {
            guard let connection = self.connection else { return }
            connection.takeNews(&self.news)
            for muxed in self.news.fresh { self.streams.insert(QUICStreamState(muxed, isShown: true), at: muxed.slot) }
            for muxed in self.news.work {
                if let stream = self.streams.stream(at: muxed.slot), stream.muxed === muxed {
                    self.serve(stream)
                } else {
                    // The library has closed the stream: nobody takes what is still written to it.
                    _ = QUICStreamState(muxed, isShown: true).swallow(isOver: true)
                }
            }
            self.news.clear()
        }

        func number(of stream: MuxedStream) -> UInt64? {
            guard self.streams.stream(at: stream.slot)?.muxed === stream else { return nil }
            return self.streams.id(at: stream.slot).map(UInt64.init)
        }

        /// Does what a stream's application has asked for.
        func serve(_ stream: QUICStreamState) {
            guard self.streams.stream(at: stream.slot) === stream else { return }
            if self.streams.id(at: stream.slot) == nil {
                _ = stream.peek()
                if stream.reset != nil { return self.forgetUnopened(stream) }
                guard self.open(stream) else { return }
            }
            guard let native = self.native, let id = self.streams.id(at: stream.slot) else { return }
            self.refill(stream)
            if let code = stream.reset.take() {
                stream.queue.dropUnsent()
                self.countRetained(of: stream)
                stream.hasStopped = true
                quic_connection_reset(native, id, UInt64(code.rawValue))
                quic_connection_stop(native, id, UInt64(code.rawValue))
                return
            }
            if stream.isStopping {
                stream.isStopping = false
                stream.hasStopped = true
                quic_connection_stop(native, id, 0)
            }
            self.makeReady(stream)
        }

        /// Takes bytes out of the stream's buffer when the last ones are about to leave, and returns the reader's credit.
        private func refill(_ stream: QUICStreamState) {
            let credit = stream.isUnwanted ? stream.swallow(isOver: false) : stream.fill()
            self.countRetained(of: stream)
            if credit > 0 { self.giveCredit(credit, to: stream) }
        }

        /// Tells the account what waits to be sent or acknowledged.
        func countRetained(of stream: QUICStreamState, isOver: Bool = false) {
            let change = stream.changeOfRetained(isOver: isOver)
            if change != 0 { self.connection?.account.change(by: change) }
        }

        func makeReady(_ stream: QUICStreamState) {
            guard !stream.isBlocked, !stream.isUnwanted, stream.hasSomethingToSend else { return }
            self.streams.makeReady(stream.slot)
        }

        /// Gives a stream of ours its number; false when it has to wait.
        private func open(_ stream: QUICStreamState) -> Bool {
            guard let native = self.native else { return false }
            var id: Int64 = 0
            guard quic_connection_open_stream(native, &id) == QUIC_OK else {
                self.streams.wait(stream.slot)
                return false
            }
            self.streams.open(stream.slot, as: id)
            stream.muxed.setCreditThreshold(self.threshold.value)
            return true
        }

        private func forgetUnopened(_ stream: QUICStreamState) {
            self.streams.remove(at: stream.slot)
            self.countRetained(of: stream, isOver: true)
            self.connection?.streamEnded(at: stream.slot)
        }

        /// The peer may have room for more streams of ours.
        private func admitWaiting() {
            while let slot = self.streams.firstWaiting, let stream = self.streams.stream(at: slot) {
                self.serve(stream)
                if self.streams.firstWaiting == slot { return }
            }
        }

        // MARK: Packets

        private func write(at now: NIODeadline) {
            guard let native = self.native else { return }
            let endpoint = self.endpoint
            guard !endpoint.state.sender.isBlocked else { return endpoint.waitForRoom(self) }
            self.admitWaiting()
            let paced = quic_connection_burst(native)
            let burst = paced > 0 ? max(paced, Self.maximumPacket) : Self.maximumBurst
            var written = 0
            var failure = QUIC_OK
            // What failed before was somebody else's.
            _ = endpoint.state.sender.takeFailure()
            _ = endpoint.state.sender.takeRefusedSize()
            self.examinePath(at: now)
            while written < burst {
                var route = quic_route()
                let buffer = UnsafeMutableBufferPointer(
                    start: endpoint.state.sender.room(for: Self.maximumPacket), count: self.pathSize.next(at: now) ?? Self.maximumPacket)
                let size = self.writePacket(to: buffer, route: &route, at: now)
                guard size > 0 else {
                    if size < 0 { failure = quic_result(rawValue: Int32(clamping: size)) }
                    break
                }
                written += Int(size)
                // Before it leaves: whoever gets it may ask.
                self.connection?.sent(Int(size))
                if size > QUICPathSize.base { self.sentLarge(Int(size), at: now) }
                endpoint.state.sender.append(Int(size), to: route)
                if endpoint.state.sender.isBlocked { break }
            }
            endpoint.state.sender.flush()
            // A handshake is short and its round trip not known yet: paced by the guess of a third of a second, its last flight would
            // wait for 25 ms.
            if written > 0, self.isRunning { quic_connection_paced(native, now.quicTime) }
            endpoint.executor.spend(bytes: written)
            if written >= burst, paced == 0 { self.connection?.comeBack() }
            if endpoint.state.sender.isBlocked { endpoint.waitForRoom(self) }
            if let size = endpoint.state.sender.takeRefusedSize() { self.refused(size, at: now) }
            if let error = endpoint.state.sender.takeFailure(), self.role == .dialer {
                if self.phase == .handshaking, !self.isAnswered {
                    self.failedSends += 1
                    if error.isAboutDestination || self.failedSends > Self.toleratedFailures {
                        return self.fail(TransportError(.unreachable, "no way to \(self.remote.multiaddr)", cause: error))
                    }
                } else {
                    self.moveAway(at: now)
                }
            }
            if failure != QUIC_OK { self.writeFailed(failure) }
        }

        /// Writes one packet with bytes of as many streams as fit; 0 when there is nothing to send now.
        private func writePacket(
            to buffer: UnsafeMutableBufferPointer<UInt8>, route: inout quic_route, at now: NIODeadline
        ) -> Int64 {
            guard let native = self.native else { return 0 }
            var taken: Int64 = -1
            while let slot = self.streams.firstReady, let stream = self.streams.stream(at: slot) {
                if stream.queue.unsent < QUICStreamState.low { self.refill(stream) }
                guard let id = self.streams.id(at: slot), stream.hasSomethingToSend, !stream.isUnwanted, stream.reset == nil else {
                    self.streams.leaveLine(slot)
                    if stream.reset != nil { self.serve(stream) }
                    continue
                }
                var isLast = false
                let size = stream.withUnsent { pieces, count, last in
                    isLast = last
                    return quic_connection_write(
                        native, &route, buffer.baseAddress, buffer.count, id, pieces, count, last, true, &taken, now.quicTime)
                }
                if taken >= 0 { self.took(Int(taken), of: stream, isLast: isLast) }
                if size > 0 {
                    // Everybody gets a packet in turn.
                    self.streams.leaveLine(slot)
                    self.makeReady(stream)
                    return size
                }
                switch quic_result(rawValue: Int32(clamping: size)) {
                case QUIC_OK: return 0
                case QUIC_MORE:
                    if !stream.hasSomethingToSend { self.streams.leaveLine(slot) }
                case QUIC_STREAM_BLOCKED:
                    stream.isBlocked = true
                    self.streams.leaveLine(slot)
                case QUIC_STREAM_FINISHED, QUIC_STREAM_UNKNOWN:
                    self.streams.leaveLine(slot)
                    stream.isUnwanted = true
                    self.refill(stream)
                default: return size
                }
            }
            return quic_connection_write(
                native, &route, buffer.baseAddress, buffer.count, -1, nil, 0, false, false, &taken, now.quicTime)
        }

        private func took(_ count: Int, of stream: QUICStreamState, isLast: Bool) {
            stream.queue.advance(by: count)
            guard isLast, stream.queue.unsent == 0, !stream.isFinished else { return }
            stream.isFinished = true
            stream.muxed.finishLeft()
        }

        private func writeFailed(_ result: quic_result) {
            switch result {
            case QUIC_DRAINING, QUIC_CLOSING, QUIC_DROP: self.end(ConnectionError(.lost, "\(self.name) ended"))
            default:
                let text = self.native.map { String(cString: quic_connection_failure($0)) } ?? ""
                self.end(ConnectionError(.lost, "\(self.name): nothing can be sent any more: \(text)"), saying: .transport)
            }
        }

        // MARK: Leaving

        /// The number with which a stream is reset that says goodbye: this protocol has no frame for it.
        static let goodbye = StreamErrorCode(rawValue: ConnectionErrorCode.shutdown.rawValue)

        /// Our side closes: at once, or when the streams have ended or `grace` is over.
        func close(_ code: ConnectionErrorCode, grace: TimeAmount) {
            guard self.isRunning, let connection = self.connection, let native = self.native else { return }
            let reason = ConnectionError(.closed, "this side closed \(self.name)")
            guard grace > .zero else { return self.end(reason, isOurs: true, saying: .application(code)) }
            connection.refuseStreams(reason)
            self.farewell = (reason, true, code)
            var id: Int64 = 0
            if quic_connection_open_stream(native, &id) == QUIC_OK {
                quic_connection_reset(native, id, UInt64(Self.goodbye.rawValue))
                quic_connection_stop(native, id, UInt64(Self.goodbye.rawValue))
            }
            self.drain()
            self.endpoint.eventLoop.scheduleTask(in: grace) {
                (connection.handler as? QUICSession)?.end(reason, isOurs: true, saying: .application(code))
            }
        }

        /// The peer takes no new streams any more.
        func peerSaidGoodbye() {
            guard let connection = self.connection else { return }
            let reason = ConnectionError(.closedByPeer, "the peer of \(self.name) said goodbye")
            connection.refuseStreams(ConnectionError(.goingAway, "the peer of \(self.name) takes no new streams", cause: reason))
            if self.farewell == nil { self.farewell = (reason, false, .normal) }
        }

        /// Closes a connection on which somebody has said goodbye, once no stream is left.
        private func leaveIfIdle() {
            guard self.isRunning, self.streams.isEmpty, let farewell = self.farewell else { return }
            self.end(farewell.error, isOurs: farewell.isOurs, saying: .application(farewell.code))
        }
    }
#endif
