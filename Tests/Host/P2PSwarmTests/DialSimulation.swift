import NIOCore
import P2PCore
import P2PMultiaddr

@testable import P2PSwarm

/// A dial on a network that does at each address what a test says, in a time that passes by itself.
struct DialSimulation {
    enum Behaviour {
        /// Swallows packets; the transport gives it up after five seconds.
        case silence
        /// Says no after so long.
        case refuses(TimeAmount)
        /// Accepts after so long, then says nothing.
        case tarpit(TimeAmount)
        /// Accepts after so long, and the handshakes take as long again three times.
        case answers(TimeAmount)
    }

    struct Outcome {
        /// When the peer was reached, from the start of the dial.
        var reached: TimeAmount?
        var winner: Multiaddr?
        var mostOpen = 0
        var dialled: [Multiaddr] = []
        var ended: TimeAmount?
    }

    private enum Event {
        case slept(NIODeadline)
        case answered(Multiaddr)
        case failed(Multiaddr, TransportError.Code)
        case connected(Multiaddr)
    }

    let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    var run: DialRun
    /// Places that the host lends.
    var lent = SwarmConfiguration.lentAttempts
    var behaviours: [Multiaddr: Behaviour] = [:]

    private var events: [(at: NIODeadline, attempt: Int, event: Event)] = []
    private var attempts: [Multiaddr: Int] = [:]
    private var attemptCount = 0

    init(_ run: DialRun) {
        self.run = run
    }

    mutating func set(_ behaviour: Behaviour, at addresses: [Multiaddr]) {
        for address in addresses { self.behaviours[address] = behaviour }
    }

    /// Plays it to its end.
    mutating func play(_ addresses: [Multiaddr], for time: TimeAmount = .seconds(15)) -> Outcome {
        let deadline = self.start + time
        var now = self.start
        var outcome = Outcome()
        self.run.add(addresses.map { DialCandidate($0) }, at: now)
        while now < deadline, outcome.reached == nil {
            guard self.act(at: now, until: deadline, &outcome) else {
                outcome.ended = now - self.start
                break
            }
            guard let index = self.events.indices.min(by: { self.events[$0].at < self.events[$1].at }) else { break }
            let (at, attempt, event) = self.events.remove(at: index)
            now = max(now, at)
            self.take(event, of: attempt, at: now, &outcome)
        }
        return outcome
    }

    /// Does what the run wants; false when it is over.
    private mutating func act(at now: NIODeadline, until deadline: NIODeadline, _ outcome: inout Outcome) -> Bool {
        while true {
            let isLent = self.run.lentCount < self.lent
            switch self.run.next(at: now, alarm: deadline, isLent: isLent) {
            case .dial(let address):
                outcome.dialled.append(address)
                outcome.mostOpen = max(outcome.mostOpen, self.run.openCount)
                self.dial(address, at: now)
            case .recall(let address):
                let attempt = self.attempts[address] ?? 0
                self.events.removeAll { $0.attempt == attempt }
                self.events.append((now, attempt, .failed(address, .cancelled)))
            case .sleep(let until): self.events.append((until, 0, .slept(until)))
            case .wait: return true
            case .over: return false
            case .lookUp, .search: return true
            }
        }
    }

    private mutating func dial(_ address: Multiaddr, at now: NIODeadline) {
        self.attemptCount += 1
        let attempt = self.attemptCount
        self.attempts[address] = attempt
        switch self.behaviours[address] ?? .silence {
        case .silence: self.events.append((now + .seconds(5), attempt, .failed(address, .timedOut)))
        case .refuses(let time): self.events.append((now + time, attempt, .failed(address, .unreachable)))
        case .tarpit(let time):
            self.events.append((now + time, attempt, .answered(address)))
            self.events.append((now + .seconds(10), attempt, .failed(address, .timedOut)))
        case .answers(let time):
            self.events.append((now + time, attempt, .answered(address)))
            self.events.append((now + time * 4, attempt, .connected(address)))
        }
    }

    private mutating func take(_ event: Event, of attempt: Int, at now: NIODeadline, _ outcome: inout Outcome) {
        switch event {
        case .slept(let until): self.run.slept(until: until)
        case .answered(let address): self.run.progressed(address, at: now)
        case .failed(let address, let code):
            self.run.failed(DialAttempt(address: address, error: TransportError(code, "it failed")), at: now)
        case .connected(let address): (outcome.reached, outcome.winner) = (now - self.start, address)
        }
    }
}
