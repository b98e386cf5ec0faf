package import NIOCore
package import P2PCore
package import P2PIdentity
import P2PMultiaddr

/// One walk towards a place in the key space: whom to ask, whom to wait for, when it is over.
///
/// A value: it is told answers and failures, and time is an argument. It ends when the ``Terms/count`` nearest peers that are not known to be
/// silent have answered, or nobody is left. A peer that has not answered after ``Terms/stall`` counts no more, so that one dead peer costs as much and not its
/// whole timeout; what it says later still counts (`Specs/Kademlia.md`, "A look-up").
package struct Lookup: Sendable {
    /// How a walk goes.
    package struct Terms: Sendable {
        /// How many of the nearest it is after (Kademlia's k).
        package var count = 20
        /// How many are asked at a time (α), of those that may still answer soon.
        package var parallelism = 10
        /// After so long a peer counts as silent, until it answers.
        package var stall = Duration.milliseconds(600)
        /// How long the silent are waited for while fewer than ``count`` have answered, from when they were asked.
        package var patience = Duration.seconds(2)
        /// Peers that it knows of at most.
        package var candidates = KademliaLimits.candidates
        /// Peers that it asks at most.
        package var messages = KademliaLimits.messages
        /// Peers of one answer that are taken, the nearest first come.
        package var peersPerAnswer = KademliaLimits.peersPerAnswer
        /// Peers that only one other has named, and that have not answered yet: asked at a time; and after so many of them were silent and none was not, no more
        /// of them are asked, unless nobody else is left at all. So whoever invents peers wastes little time.
        package var unprovenPerReferrer = 3

        /// How many times ``count`` peers of the table it knows to begin with: those beyond ``count`` are a reserve, which is asked when nearer ones are silent or fail.
        package static let seeds = 2

        package init() {}
    }

    /// What to do now.
    package enum Step: Sendable {
        /// Ask these, then come again.
        case ask([Contact])
        /// Come again when somebody has answered or failed, or at that time.
        case wait(until: NIODeadline?)
        case finished
    }

    /// A peer, and where it may be.
    package struct Contact: Sendable {
        package let peer: PeerID
        package var addresses: [KnownAddress]
        /// How many steps lie between this node and it: 1 for one of its own table.
        package internal(set) var hop = 1

        package init(_ peer: PeerID, at addresses: [KnownAddress] = []) {
            self.peer = peer
            self.addresses = addresses
        }
    }

    private enum State: Sendable {
        case heard
        case asked(NIODeadline)
        case silent(NIODeadline)
        case answered
        case failed
    }

    private struct Candidate: Sendable {
        var contact: Contact
        let distance: KademliaDistance
        var state = State.heard
        /// The only one who named it, as its index; nil for one of the table, or one that several have named.
        var referrer: Int?
        /// One of the table that is asked only where nearer ones are not enough, until somebody names it.
        var isReserve = false
        /// What became of those whom it alone has named.
        var waiting = 0
        var doubts = 0
        var proved = 0
    }

    package let target: KademliaPoint
    package let terms: Terms
    private let ownPeer: PeerID?
    private var candidates: [Candidate] = []
    private var index: [PeerID: Int] = [:]
    /// Indices by distance, the nearest first.
    private var order: [Int] = []
    /// Those that were asked and may answer soon, in the order in which they were.
    private var asking: [Int] = []
    /// How many were asked.
    package private(set) var messages = 0
    /// How many have answered.
    package private(set) var answers = 0
    /// How many have failed.
    package private(set) var failures = 0
    /// How many are silent.
    private var silences = 0
    /// How many of those that have answered it did not know to begin with.
    private var named = 0
    /// Bytes of the addresses that it knows.
    private var addressBytes = 0

    /// - Parameters:
    ///   - seeds: peers of the table, which have answered before.
    ///   - ownPeer: who this node is, which is never asked.
    package init(
        towards target: KademliaPoint, from seeds: some Sequence<Contact>, ownPeer: PeerID?, terms: Terms = Terms(),
        point: (PeerID) -> KademliaPoint = { KademliaPoint(of: $0) }
    ) {
        self.target = target
        self.terms = terms
        self.ownPeer = ownPeer
        for seed in seeds where seed.peer != ownPeer { self.insert(seed, at: point(seed.peer), hop: 1, referrer: nil) }
        for place in self.order.dropFirst(terms.count) { self.candidates[place].isReserve = true }
    }

    // MARK: What happens

    /// Whom to ask now, or how long to wait.
    package mutating func next(at now: NIODeadline) -> Step {
        self.noteSilence(at: now)
        var asked: [Contact] = []
        var (seen, answered, underWay, isOpen) = (0, 0, 0, false)
        var doubtful: [Int] = []
        for place in self.order {
            if seen >= self.terms.count { break }
            switch self.candidates[place].state {
            case .failed, .silent: continue
            case .answered:
                seen += 1
                answered += 1
            // Others may be asked in its place, until it has answered.
            case .asked:
                isOpen = true
                underWay += 1
            case .heard:
                if self.candidates[place].isReserve, answered + self.expectedAnswers(of: underWay) >= self.terms.count { continue }
                switch self.permission(for: place) {
                case .never:
                    doubtful.append(place)
                    continue
                case .notNow: isOpen = true
                case .now:
                    guard self.messages < self.terms.messages else { continue }
                    isOpen = true
                    guard self.asking.count < self.terms.parallelism else { break }
                    asked.append(self.ask(place, at: now))
                    underWay += 1
                    continue
                }
                seen += 1
            }
        }
        if !asked.isEmpty { return .ask(asked) }
        if isOpen { return .wait(until: self.nextSilence) }
        // Nobody is left but the silent.
        if self.answers >= self.terms.count || answered >= self.terms.count { return .finished }
        if self.isStranded {
            let room = min(self.terms.unprovenPerReferrer, self.terms.parallelism, self.terms.messages - self.messages)
            for place in doubtful.prefix(max(0, room)) { asked.append(self.ask(place, at: now)) }
            if !asked.isEmpty { return .ask(asked) }
        }
        guard let patience = self.endOfPatience, patience > now else { return .finished }
        return .wait(until: patience)
    }

    /// A peer has answered, and named others.
    ///
    /// - Returns: who of them is new.
    @discardableResult
    package mutating func answered(
        _ peer: PeerID, naming others: some Sequence<Contact>, point: (PeerID) -> KademliaPoint = { KademliaPoint(of: $0) }
    ) -> Int {
        guard let place = self.index[peer], self.close(place, as: .answered) else { return 0 }
        self.answers += 1
        if self.candidates[place].contact.hop > 1 { self.named += 1 }
        let hop = self.candidates[place].contact.hop + 1
        var (taken, new) = (0, 0)
        for other in others {
            guard taken < self.terms.peersPerAnswer else { break }
            taken += 1
            guard other.peer != self.ownPeer, other.peer != peer else { continue }
            if let known = self.index[other.peer] {
                self.addAddresses(other.addresses, to: known)
                self.candidates[known].isReserve = false
                self.confirm(known, by: place)
            } else if self.insert(other, at: point(other.peer), hop: hop, referrer: place) {
                new += 1
            }
        }
        return new
    }

    /// A peer was not reached, did not answer in time, or what it answered is none.
    package mutating func failed(_ peer: PeerID) {
        guard let place = self.index[peer], self.close(place, as: .failed) else { return }
        self.failures += 1
    }

    // MARK: What came of it

    /// The nearest that have answered, the nearest first.
    package var nearest: [Contact] {
        var nearest: [Contact] = []
        for place in self.order where nearest.count < self.terms.count {
            if case .answered = self.candidates[place].state { nearest.append(self.candidates[place].contact) }
        }
        return nearest
    }

    /// One of the nearest that has answered, or may still.
    package struct Hope: Sendable {
        package let contact: Contact
        /// How far it is, as a part of the key space.
        package let distance: Double
        /// It has answered, or several have named it.
        package let isProved: Bool
    }

    /// The nearest that have answered, or may still, the nearest first.
    package var hopes: [Hope] {
        var hopes: [Hope] = []
        for place in self.order where hopes.count < self.terms.count {
            let candidate = self.candidates[place]
            let isProved: Bool
            switch candidate.state {
            case .failed, .silent: continue
            case .answered: isProved = true
            case .heard, .asked:
                guard self.permission(for: place) != .never else { continue }
                isProved = candidate.referrer == nil
            }
            hopes.append(Hope(contact: candidate.contact, distance: candidate.distance.fraction, isProved: isProved))
        }
        return hopes
    }

    /// How many steps it took to the farthest, in steps, of ``nearest``.
    package var hops: Int { self.nearest.lazy.map(\.hop).max() ?? 0 }

    /// Whether everybody that it knows of has answered.
    package var isWhole: Bool { self.answers == self.candidates.count }

    /// Bytes that it takes up, roughly.
    package var size: Int { self.candidates.count * KademliaLimits.candidateSize + self.addressBytes }

    /// How many peers it knows of.
    package var knownCount: Int { self.candidates.count }

    /// What was said of where a peer is.
    package func addresses(of peer: PeerID) -> [KnownAddress] { self.index[peer].map { self.candidates[$0].contact.addresses } ?? [] }

    /// Those that were asked and have neither answered nor failed yet.
    package var unanswered: [PeerID] {
        self.candidates.compactMap { candidate in
            switch candidate.state {
            case .asked, .silent: candidate.contact.peer
            case .heard, .answered, .failed: nil
            }
        }
    }

    /// Whether a peer was asked and neither answered nor failed yet.
    package func isWaiting(for peer: PeerID) -> Bool {
        guard let place = self.index[peer] else { return false }
        switch self.candidates[place].state {
        case .asked, .silent: return true
        case .heard, .answered, .failed: return false
        }
    }

    // MARK: Whom to ask

    private enum Permission {
        case now
        case notNow
        case never
    }

    private func permission(for place: Int) -> Permission {
        guard let referrer = self.candidates[place].referrer else { return .now }
        let who = self.candidates[referrer]
        if who.proved == 0, who.doubts >= self.terms.unprovenPerReferrer { return .never }
        return who.proved == 0 && who.waiting >= self.terms.unprovenPerReferrer ? .notNow : .now
    }

    /// How many of so many that were asked will probably answer, if they are like those before them.
    ///
    /// Where others were silent or failed, more are asked than are missing: or else the last ones would be asked one after the other, each only when
    /// the one before has been silent for long enough.
    private func expectedAnswers(of asked: Int) -> Int {
        let lost = self.silences + self.failures
        guard lost > 0, self.answers > 0 else { return asked }
        return asked * self.answers / (self.answers + lost)
    }

    private mutating func ask(_ place: Int, at now: NIODeadline) -> Contact {
        self.candidates[place].state = .asked(now)
        self.asking.append(place)
        self.messages += 1
        if let referrer = self.candidates[place].referrer { self.candidates[referrer].waiting += 1 }
        return self.candidates[place].contact
    }

    /// - Returns: false when nothing was asked of it, or it has answered already.
    private mutating func close(_ place: Int, as state: State) -> Bool {
        let isSuccess = if case .answered = state { true } else { false }
        switch self.candidates[place].state {
        case .asked:
            self.asking.removeAll { $0 == place }
            if let referrer = self.candidates[place].referrer {
                self.candidates[referrer].waiting -= 1
                if !isSuccess { self.candidates[referrer].doubts += 1 }
            }
        case .silent:
            self.silences -= 1
            if isSuccess, let referrer = self.candidates[place].referrer { self.candidates[referrer].doubts -= 1 }
        case .heard, .answered, .failed: return false
        }
        if isSuccess, let referrer = self.candidates[place].referrer { self.candidates[referrer].proved += 1 }
        self.candidates[place].state = state
        return true
    }

    /// Somebody else has named it, too: it speaks for nobody alone any more.
    private mutating func confirm(_ place: Int, by other: Int) {
        guard let referrer = self.candidates[place].referrer, referrer != other else { return }
        switch self.candidates[place].state {
        case .asked: self.candidates[referrer].waiting -= 1
        case .silent, .failed: self.candidates[referrer].doubts -= 1
        case .answered: self.candidates[referrer].proved -= 1
        case .heard: break
        }
        self.candidates[place].referrer = nil
    }

    // MARK: Silence

    private mutating func noteSilence(at now: NIODeadline) {
        while let place = self.asking.first, case .asked(let since) = self.candidates[place].state,
            since.advanced(by: self.terms.stall) <= now
        {
            self.asking.removeFirst()
            self.candidates[place].state = .silent(since)
            self.silences += 1
            guard let referrer = self.candidates[place].referrer else { continue }
            self.candidates[referrer].waiting -= 1
            self.candidates[referrer].doubts += 1
        }
    }

    private var nextSilence: NIODeadline? {
        guard let place = self.asking.first, case .asked(let since) = self.candidates[place].state else { return nil }
        return since.advanced(by: self.terms.stall)
    }

    /// Whether most are silent and nobody has answered of those that were named beyond the first, as when this node has just come and the machine is busy: who
    /// may be believed is not to be told then. Not where nobody was named whom it did not know, as in a small network.
    private var isStranded: Bool {
        guard self.named == 0, self.candidates.contains(where: { $0.contact.hop > 1 }) else { return false }
        return self.answers < self.silences + self.failures
    }

    /// Until when the silent are waited for: to the end of their own time while nobody has answered at all, or nobody of those that were named.
    private var endOfPatience: NIODeadline? {
        let isStranded = self.answers == 0 || self.isStranded
        return self.candidates.lazy.compactMap { candidate -> NIODeadline? in
            guard case .silent(let since) = candidate.state else { return nil }
            return isStranded ? .distantFuture : since.advanced(by: self.terms.patience)
        }.max()
    }

    // MARK: Whom it knows

    @discardableResult
    private mutating func insert(_ contact: Contact, at point: KademliaPoint, hop: Int, referrer: Int?) -> Bool {
        guard self.index[contact.peer] == nil, self.candidates.count < self.terms.candidates else { return false }
        var contact = contact
        contact.hop = hop
        let distance = point.distance(to: self.target)
        let place = self.candidates.count
        self.candidates.append(Candidate(contact: contact, distance: distance, referrer: referrer))
        self.addressBytes += contact.addresses.reduce(0) { $0 + $1.address.bytes.count }
        self.index[contact.peer] = place
        var (low, high) = (0, self.order.count)
        while low < high {
            let middle = (low + high) / 2
            if self.candidates[self.order[middle]].distance < distance { low = middle + 1 } else { high = middle }
        }
        self.order.insert(place, at: low)
        return true
    }

    private mutating func addAddresses(_ addresses: [KnownAddress], to place: Int) {
        for known in addresses where self.candidates[place].contact.addresses.count < KademliaLimits.addressesPerPeer {
            if !self.candidates[place].contact.addresses.contains(where: { $0.address == known.address }) {
                self.candidates[place].contact.addresses.append(known)
                self.addressBytes += known.address.bytes.count
            }
        }
    }
}
