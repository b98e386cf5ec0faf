#if QUIC
    import CNgtcp2Shim
    import NIOCore
    import P2PCore

    /// The connections of one socket that are awake. Once nothing was asked of one for a while, the library's memory for it is packed.
    struct QUICRest {
        /// Connections that are packed in one turn, and the time that others have the loop for before the next.
        static let turn = 64
        static let pause = TimeAmount.milliseconds(10)
        /// A rest that ends sooner was not worth its price: the next has to be waited for twice as long, up to `patience`.
        static let worthwhile = TimeAmount.milliseconds(800)
        static let patience = TimeAmount.milliseconds(1_600)

        /// How far one connection is from its rest.
        struct Pace {
            /// Looks that must find it quiet, and those that have.
            fileprivate(set) var wanted: Int64 = 1
            fileprivate var quiet: Int64 = 0
            fileprivate var since: NIODeadline?
        }

        private struct Sleepless {
            weak var session: QUICSession?
            let due: NIODeadline
        }

        /// Between two looks at one connection; see ``QUICConfiguration/restAfter``.
        private let delay: TimeAmount
        private var awake = CircularBuffer<Sleepless>(initialCapacity: 0)

        init(after delay: Duration) {
            self.delay = TimeAmount(delay)
        }

        /// Says when to look, if nobody else was awake.
        mutating func woke(_ session: QUICSession, at now: NIODeadline) -> NIODeadline? {
            session.pace.wanted = self.wanted(session.pace, at: now)
            session.pace.quiet = 0
            self.awake.append(Sleepless(session: session, due: now + self.delay))
            return self.awake.count == 1 ? now + self.delay : nil
        }

        private func wanted(_ pace: Pace, at now: NIODeadline) -> Int64 {
            guard let since = pace.since, now - since < Self.worthwhile, self.delay > .zero else { return 1 }
            return self.delay * pace.wanted * 2 <= Self.patience ? pace.wanted * 2 : pace.wanted
        }

        /// Looks at connections that are due, and says when to look again; nil when all rest.
        mutating func look(at now: NIODeadline) -> NIODeadline? {
            var packed = 0
            for _ in 0..<self.awake.count {
                guard packed < Self.turn, let next = self.awake.first, next.due <= now else { break }
                self.awake.removeFirst()
                guard let session = next.session, let native = session.native else { continue }
                session.pace.quiet = quic_connection_has_stirred(native) ? 0 : session.pace.quiet + 1
                if session.pace.quiet >= session.pace.wanted {
                    session.calmDown(at: now)
                    quic_connection_rest(native)
                    session.pace.since = now
                    packed += 1
                } else {
                    self.awake.append(Sleepless(session: session, due: now + self.delay))
                }
            }
            return self.awake.first?.due
        }
    }
#endif
