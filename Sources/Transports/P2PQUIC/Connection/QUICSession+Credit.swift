#if QUIC
    import CNgtcp2Shim
    import NIOCore
    import P2PCore
    import P2PMuxing

    /// What the peer may still send.
    extension QUICSession {
        /// Bytes of a stream were consumed or thrown away.
        func giveCredit(_ count: Int, to stream: QUICStreamState) {
            guard let native = self.native, let id = self.streams.id(at: stream.slot) else { return }
            let credit = stream.credit(count)
            quic_connection_credit_stream(native, id, credit)
            self.creditConnection(credit)
        }

        /// Gives back what the connection's window lacks, and more where the window is too small for the path.
        func creditConnection(_ count: UInt64) {
            guard let native = self.native, count > 0 else { return }
            var growth: UInt64 = 0
            if self.window.consume(count) {
                let roundTrip = TimeAmount.nanoseconds(Int64(clamping: quic_connection_round_trip(native)))
                growth = self.window.wantedGrowth(roundTrip: roundTrip, now: .now())
            }
            if growth > 0, let budget = self.endpoint.windowBudget, !budget.reserve(Int(clamping: growth)) { growth = 0 }
            self.window.grow(by: growth)
            quic_connection_credit(native, count + growth)
        }

        /// The more streams there are, the less each may keep of the connection's window.
        func adjustThreshold() {
            guard self.threshold.update(streams: self.streams.openCount) else { return }
            for (_, stream) in self.streams.opened {
                stream.muxed.setCreditThreshold(self.threshold.value)
                self.serve(stream)
            }
        }
    }
#endif
