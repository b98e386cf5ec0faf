import ArgumentParser

/// `p2p policy`.
struct PolicyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Try the rules of a policy.",
        discussion: """
            A policy is a file of rules, one a line: who may do what.
              allow tcp-connect:*.example.com:443
              deny  peer-accept:*@[2001:db8::/32]:*
            With --policy a node keeps to them, and a daemon reads them again on SIGHUP; an application has its host do so (PolicyGate).
            """,
        subcommands: [PolicyCheckCommand.self])

    @OptionGroup var output: OutputOptions
}
