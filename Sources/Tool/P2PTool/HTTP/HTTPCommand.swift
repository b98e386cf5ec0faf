import ArgumentParser

/// `p2p http`.
struct HTTPCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "http",
        abstract: "HTTP over streams: serve a local web server to peers, and ask one.",
        subcommands: [HTTPServeCommand.self, HTTPGetCommand.self])
}
