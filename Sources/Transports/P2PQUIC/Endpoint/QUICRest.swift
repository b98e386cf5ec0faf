#if QUIC
    import CNgtcp2Shim
    import NIOCore
    import P2PCore

    /// The connections of one socket that are awake. Once nothing was asked of one for a while, the library's memory for it is packed.
    struct QUICRest {
        /// Connections that are looked at in one turn, and the least time between two: others want the loop, too.
        static let turn = 64
        static let pause = TimeAmount.milliseconds(10)

        /// How long a connection must be quiet; see ``QUICConfiguration/restAfter``.
        let delay: TimeAmount
        /// The next to be looked at comes first.
        private var awake = CircularBuffer<(session: QUICSession, due: NIODeadline)>(initialCapacity: 0)

        init(after delay: Duration) {
            self.delay = TimeAmount(delay)
        }

        /// True for the first one, after which somebody must come and look.
        mutating func woke(_ session: QUICSession, at now: NIODeadline) -> Bool {
            self.awake.append((session, now + self.delay))
            return self.awake.count == 1
        }

        /// Looks at connections that are due, and says when to look again; nil when all rest.
        mutating func look(at now: NIODeadline) -> NIODeadline? {
            for _ in 0..<Self.turn {
                guard let first = self.awake.first, first.due <= now else { break }
                self.awake.removeFirst()
                if !first.session.rest() { self.awake.append((first.session, now + self.delay)) }
            }
            return self.awake.first.map { max($0.due, now + Self.pause) }
        }
    }

    extension QUICSession {
        /// Lets the library's memory be packed; false when the connection has not been quiet.
        func rest() -> Bool {
            guard let native = self.native else { return true }
            return quic_connection_rest(native)
        }
    }
#endif
