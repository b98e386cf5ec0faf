import ArgumentParser
import Logging

/// How a command talks to whoever started it.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print one JSON object a line instead of text.")
    var json = false

    @Option(help: ArgumentHelp("What to log on standard error, and everything graver: \(LogLevel.names).", valueName: "level"))
    var logLevel = LogLevel(level: .notice)
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
