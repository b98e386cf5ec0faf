import Foundation

/// Prints a line at once, into a pipe, too.
func show(_ line: String, terminator: String = "\n") {
    FileHandle.standardOutput.write(Data((line + terminator).utf8))
}

/// What a peer sent, without anything that could steer the terminal or mislead its reader: control characters, invisible ones and those
/// that turn the direction of the text are shown by their number.
func printable(_ text: String) -> String {
    text.unicodeScalars.reduce(into: "") { printed, scalar in
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
            printed += "\\u{\(String(scalar.value, radix: 16))}"
        default:
            printed.unicodeScalars.append(scalar)
        }
    }
}

/// How far a transfer is: one line of a terminal, drawn ten times a second. Where there is no terminal, nothing is drawn.
struct ProgressLine {
    private static let pause = Duration.milliseconds(100)

    private let verb: String
    private let total: Int64
    private let isTerminal = isatty(1) != 0
    private var done: Int64
    private var drawn = ContinuousClock.now

    init(_ verb: String, of total: Int64, from done: Int64) {
        self.verb = verb
        self.total = total
        self.done = done
        self.draw()
    }

    mutating func advance(by bytes: Int) {
        self.done += Int64(bytes)
        guard ContinuousClock.now - self.drawn >= Self.pause else { return }
        self.drawn = .now
        self.draw()
    }

    /// Draws the last state and leaves the line.
    func end() {
        self.draw()
        if self.isTerminal { show("") }
    }

    private func draw() {
        guard self.isTerminal else { return }
        let percent = self.total > 0 ? self.done * 100 / self.total : 100
        show("\r\(self.verb): \(percent) %, \(self.done) of \(self.total) bytes", terminator: "")
    }
}
