import NIOCore

/// How large packets may be on a path that has become narrower, or wide again (RFC 8899, sections 4.3 and 5.3; RFC 9000, section 14).
///
/// The library looks for the size that a path takes, finds it once, and holds on to it. Where a tunnel or another radio cell then takes
/// less, large packets are lost without a word while small ones arrive. So some of the large ones are **witnesses**: when not one of them
/// is acknowledged for a while, packets have the size that every path takes. Later a **pilot**, a single packet of the next size, shows
/// whether the path takes more. A value: time is an argument.
struct QUICPathSize {
    /// What every path takes, in bytes (RFC 9000, section 14).
    static let base = 1_200
    /// Sizes on the way up: what the least IPv6 allows, tunnels, PPPoE, each less the headers of IP (version 6, then 4) and UDP.
    static let steps = [1_232, 1_252, 1_342, 1_372, 1_392, 1_406, 1_444]
    /// Witnesses that are remembered.
    static let maximumWitnesses = 16
    /// Witnesses are not missed earlier than this; on a short path the probe timeout is less than what a busy peer takes to answer.
    static let shortestPatience = TimeAmount.milliseconds(250)
    /// How long packets stay small before the first pilot.
    static let settling = TimeAmount.seconds(1)
    /// Pilots of one size that are lost before it is left alone, and for how long: doubled each time.
    static let pilots = 2
    static let shortestPause = TimeAmount.seconds(10)
    static let longestPause = TimeAmount.seconds(600)

    private struct Witness {
        let number: UInt64
        let time: NIODeadline
    }

    private struct Pilot {
        let number: UInt64
        let size: Int
        let time: NIODeadline
    }

    /// What packets may measure; nil leaves that to the library.
    private(set) var limit: Int?
    /// What the library has found.
    private var found = Self.base
    private var probeTimeout = Self.shortestPatience
    private var witnesses = CircularBuffer<Witness>(initialCapacity: 0)
    private var pilot: Pilot?
    private var lostPilots = 0
    /// When the next pilot may leave.
    private var raise = NIODeadline.distantFuture
    private var pause = Self.shortestPause

    /// Whether acknowledgements are of interest.
    var isWatching: Bool { !self.witnesses.isEmpty || self.pilot != nil }
    /// Whether there is anything to examine.
    var isAtWork: Bool { self.isWatching || self.limit != nil }

    // MARK: Facts

    /// A burst is about to be written.
    ///
    /// - Parameters:
    ///   - found: the size that the library has found.
    ///   - probeTimeout: how long an acknowledgement may take (RFC 9002, section 6.2.1).
    mutating func examine(found: Int, probeTimeout: TimeAmount, at now: NIODeadline) {
        self.found = found
        self.probeTimeout = probeTimeout
        if let limit = self.limit, limit >= found { self.widened() }
        if let pilot = self.pilot, now - pilot.time >= self.patience { self.lost(at: now) }
        if self.areMissed(at: now) { self.narrowed(at: now) }
    }

    private var patience: TimeAmount { max(self.probeTimeouts(5, over: 2), Self.shortestPatience) }

    private func probeTimeouts(_ count: Int64, over divisor: Int64) -> TimeAmount {
        .nanoseconds(self.probeTimeout.nanoseconds / divisor * count)
    }

    /// Whether at least two witnesses, a probe timeout apart, had the time to be acknowledged, and none was.
    private func areMissed(at now: NIODeadline) -> Bool {
        guard let first = self.witnesses.first, now - first.time >= self.patience else { return false }
        guard let last = self.witnesses.last(where: { now - $0.time >= self.probeTimeout }) else { return false }
        return last.time - first.time >= self.probeTimeouts(3, over: 4)
    }

    /// Whether a packet of that size is to be reported.
    func wants(_ size: Int, at now: NIODeadline) -> Bool {
        if let limit = self.limit, size > limit { return true }
        // The library's own probes are larger than what it has found, and allowed to be lost.
        guard size > Self.base, size <= self.found else { return false }
        return self.witnesses.last.map { now - $0.time >= self.probeTimeouts(1, over: 8) } ?? true
    }

    /// A packet that is wanted was sent.
    mutating func sent(_ number: UInt64, size: Int, at now: NIODeadline) {
        if let limit = self.limit, size > limit {
            self.pilot = Pilot(number: number, size: size, time: now)
        } else {
            if self.witnesses.count >= Self.maximumWitnesses { self.witnesses.removeLast() }
            self.witnesses.append(Witness(number: number, time: now))
        }
    }

    /// The peer has all packets with these numbers.
    mutating func acknowledged(_ numbers: ClosedRange<UInt64>) {
        if let index = self.witnesses.lastIndex(where: { numbers.contains($0.number) }) {
            self.witnesses.removeFirst(self.witnesses.distance(from: self.witnesses.startIndex, to: index) + 1)
        }
        guard let pilot = self.pilot, numbers.contains(pilot.number) else { return }
        self.pilot = nil
        self.lostPilots = 0
        // The next one may leave at once.
        self.raise = .uptimeNanoseconds(0)
        self.limit = pilot.size
        if pilot.size >= self.found { self.widened() }
    }

    /// An interface of this machine does not take packets of that size.
    mutating func refused(_ size: Int, at now: NIODeadline) {
        if let limit = self.limit, size > limit {
            self.lostPilots = Self.pilots - 1
            self.lost(at: now)
        } else if size > Self.base, size <= self.found {
            self.narrowed(at: now)
        }
    }

    /// The connection goes another way from now on.
    mutating func moved() { self = Self() }

    // MARK: Decisions

    /// What the next packet may measure: what all may, or once in a while a pilot more. Nil leaves it to the library.
    func next(at now: NIODeadline) -> Int? {
        guard let limit = self.limit, self.pilot == nil, self.raise <= now else { return self.limit }
        return Self.steps.first { $0 > limit && $0 < self.found } ?? max(limit, self.found)
    }

    private mutating func narrowed(at now: NIODeadline) {
        self.limit = Self.base
        self.witnesses.removeAll()
        self.pilot = nil
        self.lostPilots = 0
        self.raise = now + Self.settling
    }

    private mutating func widened() {
        self.limit = nil
        self.pilot = nil
        self.pause = Self.shortestPause
    }

    private mutating func lost(at now: NIODeadline) {
        self.pilot = nil
        self.lostPilots += 1
        guard self.lostPilots >= Self.pilots else { return }
        self.lostPilots = 0
        self.raise = now + self.pause
        self.pause = min(self.pause * 2, Self.longestPause)
    }
}
