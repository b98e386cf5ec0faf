#if QUIC
    import CNgtcp2Shim
    import Logging
    import NIOCore
    import P2PCore
    import P2PMuxing

    /// What the library tells while it reads a packet or looks at its timers.
    extension QUICSession {
        private static func from(_ owner: UnsafeMutableRawPointer?) -> QUICSession? {
            owner.map { Unmanaged<QUICSession>.fromOpaque($0).takeUnretainedValue() }
        }

        /// The functions that the library calls; none captures anything.
        static var handlers: quic_handlers {
            var handlers = quic_handlers()
            handlers.certificate = { owner, der, length, count in
                QUICSession.from(owner)?.examine(UnsafeRawBufferPointer(start: der, count: length), count: count) ?? false
            }
            handlers.completed = { QUICSession.from($0)?.completed() }
            handlers.stream_opened = { QUICSession.from($0)?.streamOpened($1) }
            handlers.stream_received = { owner, id, bytes, length, isLast in
                QUICSession.from(owner)?.streamReceived(id, UnsafeRawBufferPointer(start: bytes, count: length), isLast: isLast)
            }
            handlers.stream_reset = { QUICSession.from($0)?.streamReset($1, code: $2) }
            handlers.stream_closed = { QUICSession.from($0)?.streamClosed($1) }
            handlers.stream_acknowledged = { QUICSession.from($0)?.streamAcknowledged($1, upTo: $2) }
            handlers.acknowledged = { QUICSession.from($0)?.acknowledged($1...$2) }
            handlers.stream_credited = { QUICSession.from($0)?.streamCredited($1) }
            handlers.cid_needed = { owner, cid, token in
                guard let (id, bytes) = QUICSession.from(owner)?.newID(), let cid, let token else { return false }
                cid.pointee = quic_cid(id)
                UnsafeMutableRawBufferPointer(start: token, count: QUICResetToken.length).copyBytes(from: bytes)
                return true
            }
            handlers.cid_retired = { owner, cid in
                if let cid, let id = QUICConnectionID(cid.pointee) { QUICSession.from(owner)?.retire(id) }
            }
            handlers.reset_token = { owner, bytes, isActive in
                let bytes = UnsafeRawBufferPointer(start: bytes, count: QUICResetToken.length)
                if let token = QUICResetToken(bytes) { QUICSession.from(owner)?.peerToken(token, isActive: isActive) }
            }
            handlers.path_validated = { owner, remote in
                if let remote { QUICSession.from(owner)?.pathValidated(remote.pointee) }
            }
            handlers.woken = { QUICSession.from($0)?.woke() }
            handlers.logged = { owner, line in
                if let line { QUICSession.from(owner)?.log(String(cString: line)) }
            }
            handlers.qlogged = { owner, event, length in
                QUICSession.from(owner)?.qlog?.write(UnsafeRawBufferPointer(start: event, count: length))
            }
            return handlers
        }

        private func woke() {
            self.endpoint.woke(self)
        }

        private func streamOpened(_ id: Int64) {
            guard let connection = self.connection else { return }
            guard self.farewell == nil, id & 0b10 == 0 else {
                self.refused.append((id, Self.goodbye))
                return
            }
            let muxed = connection.makeInbound(creditThreshold: self.threshold.value)
            self.streams.insert(QUICStreamState(muxed, isShown: false), at: muxed.slot, id: id)
        }

        private func streamReceived(_ id: Int64, _ bytes: UnsafeRawBufferPointer, isLast: Bool) {
            guard let stream = self.streams[id] else {
                // A stream that was refused: what it took of the connection's window goes back.
                self.creditConnection(UInt64(bytes.count))
                return
            }
            stream.received += UInt64(bytes.count)
            self.connection?.received(bytes.count)
            if !bytes.isEmpty { self.collect(bytes, of: stream) }
            if isLast {
                self.flushInbound()
                stream.hasArrived = true
                stream.muxed.receiveFinish()
            }
            self.accept(stream, id)
        }

        /// Hands a stream of the peer to whoever accepts them, at its first bytes or its end.
        private func accept(_ stream: QUICStreamState, _ id: Int64) {
            guard !stream.isShown else { return }
            stream.isShown = true
            if self.connection?.accept(stream.muxed) == true { return }
            self.refused.append((id, .resourceLimitExceeded))
        }

        private func streamReset(_ id: Int64, code: UInt64) {
            self.flushInbound()
            let code = StreamErrorCode(rawValue: UInt32(clamping: code))
            guard let stream = self.streams[id] else {
                if code == Self.goodbye { self.peerSaidGoodbye() }
                return
            }
            if code == Self.goodbye, stream.received == 0 { self.peerSaidGoodbye() }
            // The answer to our own wish that no more should come: nobody reads, and what goes the other way goes on.
            if stream.hasStopped { return }
            // Some peers reset what they have finished.
            if !stream.hasArrived, !self.resets.tolerates(at: .now()) {
                self.offend("reset more than \(self.endpoint.configuration.maximumResets) streams")
            }
            stream.muxed.fail(StreamError(.reset, "the peer reset the stream", resetCode: code))
            stream.queue.dropUnsent()
            self.countRetained(of: stream)
            self.refused.append((id, .cancelled))
        }

        /// The peer does what is lawful, and too much of it (maximumResets, resetPeriod).
        private func offend(_ what: String) {
            let period = self.endpoint.configuration.resetPeriod
            self.offence = (ConnectionError(.protocolViolation, "\(self.name): the peer \(what) within \(period)"), .rateLimited)
        }

        private func log(_ line: String) {
            // Whoever knows a reset token can end the connection.
            guard !line.contains("token") else { return }
            let text = line.filter { $0 >= " " && $0 <= "~" }
            let metadata = self.connection?.info.logMetadata ?? [:]
            self.endpoint.logger.trace("ngtcp2", metadata: metadata.merging(["line": "\(text)"]) { $1 })
        }

        private func streamAcknowledged(_ id: Int64, upTo offset: UInt64) {
            guard let stream = self.streams[id] else { return }
            stream.queue.acknowledge(upTo: offset)
            self.countRetained(of: stream)
        }

        private func streamCredited(_ id: Int64) {
            guard let stream = self.streams[id] else { return }
            stream.isBlocked = false
            self.makeReady(stream)
        }

        private func streamClosed(_ id: Int64) {
            self.flushInbound()
            guard let native = self.native else { return }
            if !quic_connection_is_local(native, id), id & 0b10 == 0 { quic_connection_admit_stream(native) }
            guard let slot = self.streams.slot(of: id) else { return }
            let isReady = self.streams.isReady(slot)
            guard let stream = self.streams.remove(at: slot) else { return }
            // Nobody takes what waits to be sent, and whoever waits for it to leave hears of that here alone.
            if isReady || stream.isBlocked { _ = stream.swallow(isOver: true) }
            self.countRetained(of: stream, isOver: true)
            self.creditConnection(stream.received - stream.credited)
            self.connection?.streamEnded(at: slot)
        }

        // MARK: Bytes

        /// Bytes that are gathered before a stream gets them: a burst's worth.
        private static var gathered: Int { 64 * 1_024 }

        private func collect(_ bytes: UnsafeRawBufferPointer, of stream: QUICStreamState) {
            if let inbound = self.inbound, inbound.stream !== stream || inbound.bytes.readableBytes + bytes.count > Self.gathered {
                self.flushInbound()
            }
            if self.inbound == nil {
                let capacity = self.isBulk ? Self.gathered : bytes.count
                self.inbound = (stream, ByteBufferAllocator().buffer(capacity: capacity))
            }
            self.inbound?.bytes.writeBytes(bytes)
        }

        /// Hands on what was gathered.
        func flushInbound() {
            guard let (stream, bytes) = self.inbound.take() else { return }
            self.isBulk = bytes.readableBytes > Self.gathered / 4
            let discarded = stream.muxed.receive(bytes)
            if discarded > 0 { self.giveCredit(discarded, to: stream) }
        }
    }
#endif
