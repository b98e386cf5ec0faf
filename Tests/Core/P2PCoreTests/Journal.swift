import Synchronization

/// What happened, in order, from any thread.
final class Journal<Entry: Sendable>: Sendable {
    private let noted = Mutex<[Entry]>([])
    var entries: [Entry] { self.noted.withLock { $0 } }
    func note(_ entry: Entry) { self.noted.withLock { $0.append(entry) } }
}
