import ArgumentParser

/// The command line.
@main
struct SendFile: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send a file to a peer. What was cut is resumed: send it again.", subcommands: [Receive.self, Send.self])
}
