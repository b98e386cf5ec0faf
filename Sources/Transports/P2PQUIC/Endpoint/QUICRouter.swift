package import NIOCore

/// Decides what becomes of each datagram that a socket receives, by its header alone. No socket, no clock, no cryptography.
package struct QUICRouter<Destination> {
    /// What is to be done with a datagram.
    package enum Decision {
        /// It belongs to a connection, or to an arrival that waits for its verdict.
        case deliver(Destination)
        /// It ends with the token by which the peer says that it has lost the connection (RFC 9000, section 10.3).
        case reset(Destination)
        /// A client's Initial for a connection that is not there.
        case arrival(QUICPacketHeader.Long)
        /// A version that is not spoken here: say which one is.
        case negotiateVersion(QUICPacketHeader.Long)
        /// A packet of a connection that is not there any more: a reset of at most so many bytes is due.
        case sendReset(QUICConnectionID, limit: Int)
        /// Nothing.
        case drop
    }

    /// A client's first datagrams are padded to this size, so that answers are never much larger (RFC 9000, section 14.1).
    package static var minimumInitial: Int { 1_200 }
    /// A client chooses at least so many bytes for our first connection id (RFC 9000, section 7.2).
    package static var minimumOriginalID: Int { 8 }
    /// A reset of fewer bytes is told from a packet (RFC 9000, section 10.3).
    package static var minimumReset: Int { 21 }
    /// A reset of more bytes says no more.
    package static var maximumReset: Int { 43 }
    /// Version negotiations a second, and stateless resets a second.
    static var answersPerSecond: Int { 100 }

    private var destinations: [QUICConnectionID: Destination] = [:]
    private var tokens: [QUICResetToken: Destination] = [:]
    /// Packets come in bursts.
    private var last: (id: QUICConnectionID, destination: Destination)?
    private var negotiations: QUICAllowance
    private var resets: QUICAllowance

    package init(now: NIODeadline) {
        self.negotiations = QUICAllowance(limit: Self.answersPerSecond, now: now)
        self.resets = QUICAllowance(limit: Self.answersPerSecond, now: now)
    }

    /// Connection ids that lead somewhere.
    var count: Int { self.destinations.count }
    /// Where they lead; some more than once.
    var all: some Collection<Destination> { self.destinations.values }

    package mutating func add(_ id: QUICConnectionID, to destination: Destination) {
        if self.last?.id == id { self.last = nil }
        self.destinations[id] = destination
    }

    package mutating func remove(_ id: QUICConnectionID) {
        if self.last?.id == id { self.last = nil }
        self.destinations[id] = nil
    }

    /// The ids themselves.
    var ids: some Collection<QUICConnectionID> { self.destinations.keys }

    func contains(_ id: QUICConnectionID) -> Bool { self.destinations[id] != nil }

    package mutating func add(_ token: QUICResetToken, to destination: Destination) { self.tokens[token] = destination }

    package mutating func remove(_ token: QUICResetToken) { self.tokens[token] = nil }

    mutating func removeAll() {
        self.destinations = [:]
        self.tokens = [:]
        self.last = nil
    }

    /// - Parameter isListening: whether arrivals are welcome.
    package mutating func received(_ datagram: UnsafeRawBufferPointer, isListening: Bool, at now: NIODeadline) -> Decision {
        guard let header = QUICPacketHeader(datagram) else { return .drop }
        switch header.form {
        case .short(let id):
            if let destination = self.destination(of: id) { return .deliver(destination) }
            return self.receivedStray(id, datagram, at: now)
        case .long(let long):
            if let destination = self.destination(of: long.destination) { return .deliver(destination) }
            guard isListening, datagram.count >= Self.minimumInitial, long.version != 0 else { return .drop }
            guard long.version == QUICPacketHeader.version1 else {
                return self.negotiations.take(at: now) ? .negotiateVersion(long) : .drop
            }
            guard long.isInitial, long.destination.count >= Self.minimumOriginalID else { return .drop }
            return .arrival(long)
        }
    }

    private mutating func receivedStray(_ id: QUICConnectionID, _ datagram: UnsafeRawBufferPointer, at now: NIODeadline) -> Decision {
        guard datagram.count >= Self.minimumReset else { return .drop }
        let tail = UnsafeRawBufferPointer(rebasing: datagram.suffix(QUICResetToken.length))
        if !self.tokens.isEmpty, let token = QUICResetToken(tail), let destination = self.tokens[token] { return .reset(destination) }
        // Shorter than what it answers, or two endpoints that know nothing would reset each other for ever.
        guard datagram.count > Self.minimumReset, self.resets.take(at: now) else { return .drop }
        return .sendReset(id, limit: min(datagram.count - 1, Self.maximumReset))
    }

    private mutating func destination(of id: QUICConnectionID) -> Destination? {
        if let last = self.last, last.id == id { return last.destination }
        guard let destination = self.destinations[id] else { return nil }
        self.last = (id, destination)
        return destination
    }
}
