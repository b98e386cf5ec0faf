import ArgumentParser
import Logging

/// How a command talks to whoever started it.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print one JSON object a line instead of text.")
    var json = false

    @Option(
        help: ArgumentHelp("What to log on standard error, and everything graver: \(LogLevel.names). (default: notice)", valueName: "level")
    )
    var logLevel: LogLevel?

    /// What to log, and everything graver.
    var level: Logger.Level { self.logLevel?.level ?? .notice }

    /// These, and for what they leave open, those that stood before the name of a command's own command, as in `p2p key --json new`.
    func completed(by outer: OutputOptions) -> OutputOptions {
        var completed = self
        completed.json = self.json || outer.json
        completed.logLevel = self.logLevel ?? outer.logLevel
        return completed
    }
}

/// A level of swift-log as the command line names it.
struct LogLevel: ExpressibleByArgument {
    static let names = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")

    let level: Logger.Level

    init(level: Logger.Level) { self.level = level }

    init?(argument: String) {
        guard let level = Logger.Level(rawValue: argument) else { return nil }
        self.level = level
    }

    var defaultValueDescription: String { self.level.rawValue }
    static var allValueStrings: [String] { Logger.Level.allCases.map(\.rawValue) }
}
