import P2P
import Synchronization

/// How far a look-up has come, on one line of a terminal: how many were asked, and what became of them.
final class DHTProgress: Sendable {
    private struct Counts {
        var asked = 0
        var answered = 0
        var failed = 0
    }

    private let line: ProgressLine
    private let counts = Mutex(Counts())

    init(isVisible: Bool) { self.line = ProgressLine(isVisible: isVisible) }

    /// Takes a step in; what is a result wipes the line, since it is printed.
    func note(_ event: KademliaEvent) {
        let counts = self.counts.withLock { counts -> Counts? in
            switch event {
            case .asked: counts.asked += 1
            case .answered: counts.answered += 1
            case .failed: counts.failed += 1
            case .refused: break
            case .found, .provider, .value, .stored, .crowded: return nil
            case .finished:
                counts = Counts()
                return nil
            }
            return counts
        }
        guard let counts else { return self.line.end() }
        self.line.show("\(counts.asked) asked, \(counts.answered) have answered, \(counts.failed) failed")
    }

    /// Wipes the line.
    func end() { self.line.end() }
}
