/// Text that a peer may have chosen, made safe to print: nothing in it controls a terminal, breaks a line or goes on for ever.
struct PeerText: CustomStringConvertible {
    let description: String

    /// - Parameter limit: characters that are shown; an ellipsis stands for the rest.
    init(_ text: some CustomStringConvertible, limit: Int = 256) {
        var shown = ""
        var count = 0
        for scalar in text.description.unicodeScalars {
            guard count < limit else {
                shown += "…"
                break
            }
            count += 1
            if scalar.isUnprintable {
                shown += "\\u{" + String(scalar.value, radix: 16) + "}"
            } else {
                shown.unicodeScalars.append(scalar)
            }
        }
        self.description = shown
    }
}

extension Unicode.Scalar {
    /// Whether it moves the cursor, changes the direction of writing, or can't be seen.
    var isUnprintable: Bool {
        // Nearly all there is, and quicker to tell than its category.
        if (" "..."~").contains(self) { return false }
        return switch self.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: true
        default: false
        }
    }
}
