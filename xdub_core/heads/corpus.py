"""Short sentences for synthetic speech, written for this project: every English sound in many neighbourhoods."""

_ENGLISH = """
The kettle is boiling, would you like some tea?
My brother bought a pair of purple boots.
Please put the blue bowl back on the table.
We never found out who painted the bridge.
A small boat drifted past the old lighthouse.
Maybe we should move the piano before breakfast.
She measured the window twice and cut the glass once.
Five fat frogs fell off the floating log.
Do you remember the name of that film?
The baker opens his shop at half past five.
It was warm, so we walked the whole way.
Nobody believed the weather would change so quickly.
Choose a chair and join us at the table.
I have thought about the question for a week.
Open the map and show me the shortest road.
They built a wooden house above the valley.
The young judge enjoyed the joke.
Move over, I cannot see the stage.
Her voice was clear, calm and very quiet.
The bus will leave in about four minutes.
Pour the milk slowly into the bowl.
How many apples do we need for the pie?
The museum shows a famous map of the moon.
We both hope the summer will be mild.
Give the dog a bath before supper.
Our neighbour plays the violin every evening.
Why would anybody buy seven umbrellas?
The fire burned low, and the room grew cold.
Push the button and wait for the beep.
Those three brothers live above the bakery.
You may borrow my bicycle until Wednesday.
A purple parrot perched upon the post.
The film was longer than the book.
Look at the pool, the water is so blue.
Something in the basement makes a humming noise.
I would rather wash the dishes than cook.
The teacher gave each pupil a fresh page.
Few people know where this path begins.
Bring a warm coat, the wind is bitter.
The moon rose behind the ruined tower.
We agreed to meet at the market at noon.
Somebody moved my papers again.
Her favourite food is mushroom soup.
The river flows beneath an iron bridge.
Both of them wanted the window seat.
A good map is worth more than a guess.
The old farmer fixed the fence by himself.
Would you mind closing the door, please?
Bob and Pam built a pump by the pond.
The show begins as soon as you arrive.
My father used to whistle while he worked.
We saw a whale off the western shore.
Oh no, the soup is boiling over!
They asked me to bring five more plates.
The cheap chalk snapped in my fingers.
I wish you a very happy birthday.
The measure of the box is on the label.
Let us wait until the rain is over.
You were right about the broken lamp.
All of the photographs were taken at dawn.
The bishop moved two squares on the board.
Rough waves washed over the narrow beach.
Could you turn the volume down a bit?
Amber beads were found below the floor.
He spoke with a soft and even voice.
The village baker makes marvellous bread.
Nine new nails were in the wooden box.
We need a bigger pot for all this pasta.
The cook chopped carrots, onions and chives.
I keep my money in an empty jam jar.
The train to the north leaves from platform two.
Show me how you fold the paper bird.
Water the plants before they fade.
The puppy jumped over the garden wall.
What a beautiful view from up here!
The author wrote about boats and harbours.
She saved a piece of cake for me.
Two tall towers stood beside the gate.
I never leave home without my glasses.
Make a wish and blow out the candles.
The engine coughed twice and then stopped.
We were amazed by the size of the room.
Perhaps the package is at the post office.
A thick fog covered the whole bay.
That was the best idea of the evening.
Please repeat the number after the tone.
The museum opens before the shops do.
An owl was watching us from the roof.
Move your elbow, I am trying to write.
You should have heard them laugh.
The pianist practised for five hours.
I saw the smoke before I heard the bell.
The boys were throwing stones in the pond.
Every bone in my body wants to sleep.
We have very few plums this year.
The lamp above the mirror is far too bright.
Remember to lock the window at night.
Paul poured a pint of apple juice.
The weather forecast promised more snow.
Without a map we would be lost by now.
The mayor opened the new public library.
What time does your mother get home?
Fold the blanket and put it away.
Huge yellow leaves covered the pavement.
I believe the answer is on page forty.
We hired a van and moved the beds ourselves.
The whole audience rose and applauded.
Shall we go through the park or over the hill?
He put pepper on everything he ate.
This bag is lighter than it looks.
The phone rang, but nobody moved.
My aunt grows beans, peas and potatoes.
It happened on the first of February.
Buy one ticket and bring a friend for free.
The water was smooth as a mirror.
How far is the farm from the village?
You will find the spoons above the oven.
The children made a boat of paper.
She opened the envelope with a knife.
We watched the tiny boats vanish one by one.
The clock in the hall is always five minutes fast.
Your coffee is getting cold, by the way.
Beware of the puddle by the door.
Long ago a wizard lived in this wood.
The wool was washed and spun by hand.
I am afraid we have no room left.
A few brave people jumped into the lake.
The movie was about a robot and a poet.
Would you prefer the window or the aisle?
These shoes are perfect for the beach.
My memory for names is awful.
Boil the pasta for about eight minutes.
Somewhere above us an engine was humming.
The garden path is made of broken plates.
The shop on the corner sells maps of Europe.
We offered him a warm bowl of porridge.
The judge asked the witness to speak up.
You can park in front of the theatre.
Many of my papers were wet from the rain.
The violin was made over two hundred years ago.
Now press the lever and pull the handle.
I would love to visit Peru one day.
The wolf moved without making a sound.
The fifth of May was a public holiday.
Tell me a story about the sea.
Their farm lies beyond the low hills.
No more than four people may use the lift.
The moth flew around and around the lamp.
Put both hands upon the wheel.
A robin built its nest above our porch.
Thank you for coming on such a wet evening.
The map shows a cave below the waterfall.
I forgot the password to my own machine.
The chef uses only butter and fresh herbs.
The old woman waved from the balcony.
You need a permit to fish in this river.
My room is up there, behind the big poplar.
The window faces the harbour.
Maybe it will work if we both push.
We heard footsteps above the ceiling.
The boss would like to have a word with you.
Everybody wore purple to the party.
Fresh paint always makes me sneeze.
The bottom shelf is for heavy books.
That pump has not worked since autumn.
How about a picnic by the pool?
I owe you an apology and a lunch.
The wheel turned slower and slower.
She moved to Bombay for love.
Put a bit of honey in your oatmeal.
The whole crew was saved by a fishing boat.
We use the big room for music and movement.
You and I both know the truth.
The cabin smelled of smoke and pine.
His shirt was the same colour as the wall.
A heavy door closed somewhere below.
There were poppies along the whole road.
Would a bribe of biscuits help?
The mountain was hidden by a veil of cloud.
They will arrive by boat on Monday.
My umbrella blew away over the rooftops.
What shape is the pool in the palace?
I have both a map and a compass.
Over the years the paper turned brown.
The moment the music stopped, we heard the rain.
Wipe your feet before you come in.
A bear was asleep beneath the fallen beech.
Few of the rooms have a view of the bay.
The poem is short, but I love it.
We must be home before the storm breaks.
Beavers have built a dam below the mill.
The opera was a huge success.
Do not move, there is a wasp on your arm.
My boots are full of water.
Five pairs of eyes watched from above.
You promised to help me with the move.
The cream goes on top of the pie.
Show the boy how the pump works.
Everyone moved up to make room for me.
The path from the beach is very steep.
I would walk, but my shoes are wet.
A big brown moth sat upon the lamp.
We fed the horses apples and oats.
How on earth did you open that jar?
The furthest farm has the best view.
Goodbye for now, and thank you for the map.
"""

_GERMAN = """
Guten Morgen, möchten Sie einen Kaffee?
Der Bäcker öffnet um halb sechs.
Wir haben das blaue Boot am Ufer gefunden.
Meine Mutter mag am liebsten Pflaumenkuchen.
Bitte machen Sie die Tür hinter sich zu.
Über dem Fluss schwebte dichter Nebel.
Am Abend spielt mein Bruder oft Klavier.
Warum hast du so viele Bücher gekauft?
Fünf Frösche hüpften fröhlich über die Wiese.
Ohne Wörterbuch verstehe ich den Brief nicht.
Die Bahn fährt heute wieder pünktlich.
Vielleicht kommt Paula morgen zum Frühstück.
"""

_FRENCH = """
Bonjour, voulez-vous un peu de thé?
Le boulanger ouvre avant six heures.
Ma mère a trouvé une belle pomme verte.
Il fait beau, nous allons au bord de la mer.
Où avez-vous mis mon parapluie bleu?
Le petit bateau passe sous le vieux pont.
Je voudrais du pain, du beurre et du miel.
Personne ne veut fermer la fenêtre.
Nous avons vu un film sur la lune.
Pourquoi partez-vous sans votre manteau?
Un peu plus de bruit, et le bébé se réveille.
La musique commence vers huit heures.
"""

_SPANISH = """
Buenos días, ¿quiere usted un poco de café?
Mi padre compró un barco pequeño.
La puerta de la biblioteca está abierta.
Por favor, pon la mesa para ocho personas.
El viento mueve las hojas del olivo.
¿Dónde puedo comprar un buen mapa?
Me gusta pasear por la playa en verano.
Pablo bebe agua antes de cada comida.
Nunca vimos una luna tan grande.
La abuela prepara una sopa muy buena.
Vamos a empezar la película ahora mismo.
El tren para Bilbao sale a las nueve.
"""

_ITALIAN = """
Buongiorno, vuole un po' di caffè?
Mio padre ha comprato una barca blu.
La finestra della biblioteca è aperta.
Vorrei un piatto di pasta al pomodoro.
Il vento muove le foglie dell'ulivo.
Dove posso comprare una buona mappa?
Mi piace camminare vicino al mare.
Paolo beve sempre molta acqua.
Non abbiamo mai visto una luna così bella.
La nonna prepara una zuppa buonissima.
Il film comincia fra cinque minuti.
Per favore, apri la porta e vieni qui.
"""


def _sentences(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().splitlines())


LINES: dict[str, tuple[str, ...]] = {
    "en": _sentences(_ENGLISH),
    "de": _sentences(_GERMAN),
    "fr": _sentences(_FRENCH),
    "es": _sentences(_SPANISH),
    "it": _sentences(_ITALIAN),
}
