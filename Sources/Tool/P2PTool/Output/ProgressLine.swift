import Synchronization

/// How far something has come, on one line of a terminal that is written over ten times a second at most.
final class ProgressLine: Sendable {
    private static let interval = Duration.milliseconds(100)
    /// Goes back to the beginning of the line, and wipes it.
    private static let wipe = "\r\u{1b}[K"

    private struct State {
        var nextAt = ContinuousClock.now
        var isShown = false
    }

    private let isVisible: Bool
    private let state = Mutex(State())

    init(isVisible: Bool) { self.isVisible = isVisible }

    /// Shows this, unless something was shown a moment ago.
    func show(_ text: @autoclosure () -> String) {
        guard self.isVisible else { return }
        let isDue = self.state.withLock { state in
            let now = ContinuousClock.now
            guard now >= state.nextAt else { return false }
            state.nextAt = now + Self.interval
            state.isShown = true
            return true
        }
        if isDue { StandardError.write(Self.wipe + text()) }
    }

    /// Wipes the line.
    func end() {
        let wasShown = self.state.withLock { state in
            defer { state.isShown = false }
            return state.isShown
        }
        if wasShown { StandardError.write(Self.wipe) }
    }
}
